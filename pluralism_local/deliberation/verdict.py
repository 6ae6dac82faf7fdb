"""From scores to a choice: the ranking by a rule, the sweep over α, and the voice that gives up most.

statements, P(agree) by voice, weights ──agreement──> Agreement
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pluralism_local.agreement import Agreement, AlphaChoice, Loss, Rule, Statement
from pluralism_local.deliberation.rules import ALPHAS, level, ranking, welfare


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that is to be judged; its fields are those of `agreement.Statement`."""

    id: str
    text: str
    by: tuple[str, ...]


def agreement(
    candidates: Sequence[Candidate],
    scores: Mapping[str, Sequence[float]],
    weights: Mapping[str, float],
    rule: Rule,
    alpha: float | None = None,
) -> Agreement:
    """What `rule` chooses of at least one candidate. Neither the candidates' order nor the voices' matters.

    Args:
        scores: by voice, in the pool's order, its probability of agreeing with each candidate.
        weights: by voice, ≥ 0 and not all 0; they are made to sum to 1.
        alpha: for w_alpha.
    """
    voices = list(scores)
    total = math.fsum(weights[voice] for voice in voices)
    shares = [weights[voice] / total for voice in voices]
    order = sorted(range(len(candidates)), key=lambda place: candidates[place].id)
    candidates = [candidates[place] for place in order]
    rows = [[scores[voice][place] for place in order] for voice in voices]
    welfare_of = welfare(rule, rows, shares, 1.0 if alpha is None else alpha)
    ranked = [
        Statement(
            candidates[place].id,
            candidates[place].text,
            candidates[place].by,
            {voice: row[place] for voice, row in zip(voices, rows, strict=True)},
            welfare_of[place],
        )
        for place in ranking(welfare_of, rows)
    ]
    return Agreement(
        rule=rule,
        alpha=alpha if rule == "w_alpha" else None,
        statements=tuple(ranked),
        tied=tuple(statement.id for statement in ranked[1:] if level(statement.welfare, ranked[0].welfare)),
        sweep=tuple(_choice(candidates, rows, shares, value) for value in ALPHAS),
        loses_most=_loses_most(ranked),
        weights=dict(zip(voices, shares, strict=True)),
    )


def _choice(
    candidates: Sequence[Candidate], rows: Sequence[Sequence[float]], shares: Sequence[float], alpha: float
) -> AlphaChoice:
    welfare_of = welfare("w_alpha", rows, shares, alpha)
    best = ranking(welfare_of, rows)[0]
    return AlphaChoice(alpha, candidates[best].id, welfare_of[best])


def _loses_most(ranked: Sequence[Statement]) -> Loss | None:
    """The largest way from what was chosen to a voice's own best; of equal ones the voice that agrees least."""
    losses = []
    for voice, score in ranked[0].scores.items():
        best = max(ranked, key=lambda statement, voice=voice: statement.scores[voice])  # type: ignore[misc]
        losses.append(Loss(voice, score, best.id, best.scores[voice]))
    most = max(losses, key=lambda loss: (loss.best_score - loss.score, -loss.score))
    return None if level(most.best_score, most.score) else most
