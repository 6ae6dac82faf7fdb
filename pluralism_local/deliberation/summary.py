"""Juries and rounds in sentences, the same wherever they are shown.

Agreement ──headline──> "Consensus by maxmin: …" | "Most agreeable by maxmin, not a consensus: press-right rejects it"
          ──remarks──> who loses most, what α would choose, how it came to be
Round ──changes──> "round 1: 2 stood, 1 revised", and a line for each voice
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from pluralism_local.agreement import Agreement, Change, ChangeKind
from pluralism_local.display.figures import many, one_line, percent
from pluralism_local.results import LLM_VOICE, Round

_KINDS: dict[ChangeKind, str] = {
    "stood": "stood",
    "answered": "answered",
    "revised": "revised",
    "silent": "said nothing",
}


def headline(agreement: Agreement) -> str:
    """Whether it is a consensus, by which rule it was chosen, and who rejects it or agrees least."""
    scores = agreement.chosen.scores
    if agreement.is_consensus:
        least = min(scores, key=scores.__getitem__)
        return (
            f"Consensus by {rule_name(agreement)}: no voice of {len(scores)} rejects it; {least} agrees least "
            f"({percent(scores[least])})"
        )
    named = {voice: f"{voice} ({percent(score)})" for voice, score in scores.items()}
    return f"Most agreeable by {rule_name(agreement)}, not a consensus: {objections(agreement, named)}"


def objections(agreement: Agreement, named: Mapping[str, str] = MappingProxyType({})) -> str:
    """``"a rejects it, b and c have spoken against it"``; "" for a consensus.

    Args:
        named: what those that reject it are called, where that is not their id.
    """
    rejecting = agreement.chosen.rejected_by
    against = [voice for voice in agreement.against if voice not in rejecting]
    parts = []
    if rejecting:
        names = ", ".join(named.get(voice, voice) for voice in rejecting)
        parts.append(f"{names} {'rejects' if len(rejecting) == 1 else 'reject'} it")
    if against:
        parts.append(f"{', '.join(against)} {'has' if len(against) == 1 else 'have'} spoken against it")
    return "; ".join(parts)


def rule_name(agreement: Agreement) -> str:
    """``"maxmin"``, or ``"w_alpha, α = 2"``."""
    return agreement.rule if agreement.alpha is None else f"{agreement.rule}, α = {_alpha(agreement.alpha)}"


def number_of(agreement: Agreement, id: str) -> int:
    """The statement's place in the ranking, from 1."""
    return next(place for place, statement in enumerate(agreement.statements, start=1) if statement.id == id)


def authors(agreement: Agreement, place: int) -> str:
    """Who proposed the statement at a place of the ranking, from 0.

    A revision that came to what a voice had proposed is the voice's.
    """
    statement = agreement.statements[place]
    llm = "the revision" if statement.id == agreement.revision else "the LLM"
    return ", ".join(llm if voice == LLM_VOICE else voice for voice in statement.by)


def remarks(agreement: Agreement, *, dot: str = " · ") -> Iterator[str]:
    """Lines about the choice."""
    loss = agreement.loses_most
    if loss is None:
        yield "Nobody loses: every voice agrees most with this statement."
    else:
        best = number_of(agreement, loss.best)
        yield (
            f"Loses most: {loss.voice}, which agrees with it at {percent(loss.score)}, and with statement {best} at "
            f"{percent(loss.best_score)}."
        )
    if agreement.tied:
        level = ", ".join(str(number_of(agreement, id)) for id in agreement.tied)
        yield f"Level with it by the rule: {level}; the voice that agrees least decided."
    yield f"By aversion to inequality (w_α): {dot.join(_sweep(agreement))}"
    if agreement.critiques:
        took = "nothing came of it" if agreement.revision is None else "it was judged with the others"
        yield f"Revised once after what {many(len(agreement.critiques), 'voice')} would change; {took}."
    yield (
        "Scores are each voice's own probability of agreeing with a statement that it sees alone: a model's estimate, "
        "and no vote of people."
    )


def _sweep(agreement: Agreement) -> Iterator[str]:
    """``"α 0 to 2: statement 3"`` for each run of the same choice."""
    runs: list[tuple[str, list[float]]] = []
    for choice in agreement.sweep:
        if runs and runs[-1][0] == choice.statement:
            runs[-1][1].append(choice.alpha)
        else:
            runs.append((choice.statement, [choice.alpha]))
    for id, alphas in runs:
        reach = _alpha(alphas[0]) if len(alphas) == 1 else f"{_alpha(alphas[0])} to {_alpha(alphas[-1])}"
        yield f"α {reach}: statement {number_of(agreement, id)}"


def _alpha(alpha: float) -> str:
    return "∞" if math.isinf(alpha) else f"{alpha:g}"


def tally(round: Round) -> str:
    """``"round 1: 3 stood, 1 answered, 2 revised"``."""
    counts = Counter(change.kind for change in round.changes)
    parts = ", ".join(f"{counts[kind]} {words}" for kind, words in _KINDS.items() if counts[kind])
    return f"round {round.number}: {parts or 'nobody had spoken before'}"


def heard_positions(round: Round, width: int | None = None) -> list[str]:
    """``'position 1: "…"'`` for each that the voices were shown; none where they heard each other's comments.

    Args:
        width: of a position's text, in terminal cells; None for all of it.
    """
    positions = () if round.window is None else round.window.positions
    return [
        f'position {place}: "{one_line(position.text, width)}"'
        for place, position in enumerate(positions, start=1)
    ]


def changes(round: Round) -> list[tuple[str, str]]:
    """By voice what it did, in words; positions go by their numbers in `heard_positions`."""
    positions = () if round.window is None else round.window.positions
    places = {position.text: place for place, position in enumerate(positions, start=1)}
    return [(change.voice, _change(change, places)) for change in round.changes]


def _change(change: Change, places: Mapping[str, int]) -> str:
    silent = [text for text in change.dropped if text not in change.opposed]
    named: Sequence[tuple[str, Sequence[str]]] = (
        ("now for", change.gained),
        ("now against", change.opposed),
        ("no longer says", silent),
    )
    parts = [
        f"{words} {', '.join(str(places.get(text, text)) for text in texts)}"
        for words, texts in named
        if texts
    ]
    if change.method == "text" and change.kind != "silent":
        parts.append(f"{percent(change.similarity)} of the words alike")
    return f"{_KINDS[change.kind]}: {'; '.join(parts)}" if parts else _KINDS[change.kind]
