"""Which passages carry a community's view rather than what all of its register write.

    own passages, others' passages ──log_odds──> z of every term ──view_scores──> a figure per passage

Log-odds ratio with an informative Dirichlet prior, Monroe, Colaresi, Quinn 2008, "Fightin' Words", eq. 15, 16, 22: for
term w with counts y_own, y_others and prior counts a_w (both corpora together, scaled to `PRIOR_TERMS`),

    δ_w = log (y_own + a_w)/(n_own + a_0 − y_own − a_w) − log (y_others + a_w)/(n_others + a_0 − y_others − a_w)
    z_w = δ_w / sqrt(1/(y_own + a_w) + 1/(y_others + a_w))

A term counts only if several speakers of a side use it and none of them makes most of its uses: the name of a senator's
home state tells who speaks, not what they hold.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from communitylm.corpus.passages import Passage
from communitylm.corpus.terms import terms

PRIOR_TERMS = 10_000
"""Size a_0 of the prior, in terms: larger shrinks rare terms more."""

SPEAKERS = 4
"""Speakers of one side who must use a term, where the corpus names speakers."""

DOMINANCE = 0.25
"""Share of a term's uses that one speaker may have; twice an equal share where there are few speakers."""

Z_LIMIT = 5.0
"""z of a single term counts up to this much: a passage is its sum of terms, not one slogan."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term, how often each side used it, and z > 0 where it is the community's own."""

    text: str
    own: int
    others: int
    z: float


def log_odds(own: Sequence[Passage], others: Sequence[Passage]) -> dict[str, Term]:
    """z of every term that is no single speaker's; see the module for the formula."""
    mine, theirs = _uses(own), _uses(others)
    shared = _shared(mine) | _shared(theirs)
    total_mine = sum(uses.total() for uses in mine.values())
    total_theirs = sum(uses.total() for uses in theirs.values())
    scale = PRIOR_TERMS / max(1, total_mine + total_theirs)
    speakers = len(_speakers(mine) | _speakers(theirs))
    table = {}
    for term in sorted(shared):
        uses = mine.get(term, Counter()) + theirs.get(term, Counter())
        if max(uses.values()) > max(DOMINANCE, 2 / speakers) * uses.total():
            continue
        y_own, y_others = mine.get(term, Counter()).total(), theirs.get(term, Counter()).total()
        prior = (y_own + y_others) * scale
        a, b = y_own + prior, y_others + prior
        rest_a, rest_b = total_mine + PRIOR_TERMS - a, total_theirs + PRIOR_TERMS - b
        delta = math.log(a / rest_a) - math.log(b / rest_b)
        table[term] = Term(term, y_own, y_others, delta / math.sqrt(1 / a + 1 / b))
    return table


def view_scores(passages: Sequence[Passage], table: Mapping[str, Term]) -> list[float]:
    """Per passage the mean z of its terms, each limited to ±`Z_LIMIT`; unknown terms count 0, no terms give 0."""
    scores = []
    for passage in passages:
        used = terms(passage.text)
        z = [max(-Z_LIMIT, min(Z_LIMIT, table[term].z)) for term in used if term in table]
        scores.append(math.fsum(z) / len(used) if used else 0.0)
    return scores


Uses = dict[str, Counter[str]]
"""Term -> speaker -> how often."""


def _uses(passages: Sequence[Passage]) -> Uses:
    """An unnamed passage counts as a speaker of its own."""
    uses: Uses = {}
    for number, passage in enumerate(passages):
        for term in terms(passage.text):
            uses.setdefault(term, Counter())[passage.speaker or f"\0{number}"] += 1
    return uses


def _speakers(uses: Uses) -> set[str]:
    return {speaker for counts in uses.values() for speaker in counts}


def _shared(uses: Uses) -> set[str]:
    """Terms of at least `SPEAKERS` speakers, or of all where there are fewer."""
    needed = min(SPEAKERS, len(_speakers(uses)))
    return {term for term, counts in uses.items() if len(counts) >= needed}
