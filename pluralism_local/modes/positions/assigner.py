"""Whether texts support or oppose claims: by the entailment scorer, or by the LLM's own probabilities.

(text, claim)… ──relate──> P(support), P(opposition) of each

entailment   the largest P(entailment), P(contradiction) of the text's sentences, each a premise: scorers are made
             for sentences, and whole comments hardly ever entail anything
llm          P("support"), P("oppose") against "neither", after the question, the text and the claim
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pluralism_local.modes.steps import Case, Entail, Step
from pluralism_local.modes.weighing import weigh
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.claims import claim_id
from pluralism_local.positions.merging import clusters
from pluralism_local.positions.stances import SUFFICES, Relation
from pluralism_local.sentences import sentences

Rows = dict[tuple[str, str], Sequence[float]]
"""What the scorer said so far, by premise and hypothesis."""

STANCES = ("support", "oppose", "neither")
MOST_PREMISES = 12
"""Sentences of a text that are scored: in longer ones the rest is left out."""

_SAME: Sequence[float] = (1.0, 0.0, 0.0)


def relate(
    case: Case[Q], pairs: Sequence[tuple[str, str]], rows: Rows
) -> Generator[Step, Any, list[Relation]]:
    """The relation of each (text, claim), in order; a blank text has none to any claim.

    Args:
        rows: filled with what is scored, and looked into first.
    """
    if case.positions is None:
        raise TypeError("positions are looked for by a plan")
    if case.positions.method == "entailment":
        return (yield from _by_entailment(pairs, rows))
    return (yield from _by_llm(case, pairs))


def relate_all(
    case: Case[Q], texts: Mapping[str, str], claims: Sequence[str], rows: Rows
) -> Generator[Step, Any, dict[str, list[Relation]]]:
    """By name of a text its relation to each claim."""
    pairs = [(text, claim) for text in texts.values() for claim in claims]
    relations = iter((yield from relate(case, pairs, rows)))
    return {name: [next(relations) for _ in claims] for name in texts}


def merge(case: Case[Q], claims: Sequence[str], rows: Rows) -> Generator[Step, Any, list[str]]:
    """The claims without those that say the same as an earlier one: each entails the other."""
    forward = [(a, b) for a in range(len(claims)) for b in range(a + 1, len(claims))]
    entailed = yield from _entailed(case, claims, forward, rows)
    # most claims do not entail a later one: whether that entails them need not be looked into
    mutual = {(a, b) for b, a in (yield from _entailed(case, claims, [(b, a) for a, b in entailed], rows))}
    groups = clusters(len(claims), lambda a, b: (a, b) in mutual)
    return [claims[group[0]] for group in groups]


def _entailed(
    case: Case[Q], claims: Sequence[str], places: Sequence[tuple[int, int]], rows: Rows
) -> Generator[Step, Any, list[tuple[int, int]]]:
    """Those of `places` whose first claim entails their second."""
    relations = yield from relate(case, [(claims[a], claims[b]) for a, b in places], rows)
    return [place for place, (support, _) in zip(places, relations, strict=True) if support >= SUFFICES]


def premises(text: str) -> list[str]:
    """The sentences of a text that are scored."""
    return sentences(text)[:MOST_PREMISES]


def _by_entailment(pairs: Sequence[tuple[str, str]], rows: Rows) -> Generator[Step, Any, list[Relation]]:
    split: Callable[[str], list[str]] = {text: premises(text) for text, _ in pairs}.__getitem__
    cells = [(premise, claim) for text, claim in pairs for premise in split(text)]
    missing = tuple(dict.fromkeys(cell for cell in cells if cell not in rows and not _is_same(*cell)))
    if missing:
        scores: Sequence[Sequence[float]] = yield Entail(missing)
        rows.update(zip(missing, scores, strict=True))
    relations = []
    for text, claim in pairs:
        rows_of_text = [
            _SAME if _is_same(premise, claim) else rows[premise, claim] for premise in split(text)
        ]
        relations.append(
            (
                max((row[0] for row in rows_of_text), default=0.0),
                max((row[2] for row in rows_of_text), default=0.0),
            )
        )
    return relations


def _by_llm(case: Case[Q], pairs: Sequence[tuple[str, str]]) -> Generator[Step, Any, list[Relation]]:
    spoken = [(text, claim) for text, claim in pairs if text.strip() and not _is_same(text, claim)]
    wordings = [case.wordings.stance(case.question, text, claim) for text, claim in spoken]
    distributions = (yield from weigh("positions", wordings, STANCES)) if wordings else []
    by_pair: dict[tuple[str, str], Relation] = {
        pair: (distribution.p[0], distribution.p[1])
        for pair, distribution in zip(spoken, distributions, strict=True)
        if distribution.method != "uniform"  # nothing was said about any of the three
    }
    return [(1.0, 0.0) if _is_same(*pair) else by_pair.get(pair, (0.0, 0.0)) for pair in pairs]


def _is_same(text: str, claim: str) -> bool:
    """Whether a text is the claim itself, word for word."""
    return claim_id(text) == claim_id(claim)
