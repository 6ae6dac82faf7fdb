"""Many comments of every voice, and how they spread over positions.

    the voices' comments ──Draw──> n of each ──first claims──> pairs ──relate──> groups ──count──> Draws

Two comments take one position where the beginning of each states the other's first claim. Whole comments hardly ever
say the same, and every two of them are compared, so that the beginnings must do.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pluralism_local.errors import PlocalError
from pluralism_local.modes.positions.assigner import Rows, find_entailed
from pluralism_local.modes.steps import Case, Draw, Step, Warn
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.merging import clusters
from pluralism_local.positions.shares import DrawnClaim, count, first_claims
from pluralism_local.results import Draws, StanceMethod
from pluralism_local.sentences import sentences

SENTENCES = 2
"""Of a comment, those that are its beginning."""


def spread(case: Case[Q], first: Mapping[str, str], rows: Rows) -> Generator[Step, Any, Draws | None]:
    """Draw as many comments as the plan says, and count their positions; None, and a warning, where that fails.

    Args:
        first: by voice the comment that it made already, which counts, too.
    """
    if case.positions is None:
        raise TypeError("comments are drawn by a plan")
    try:
        more: Mapping[str, Sequence[str]] = yield Draw(
            case.voices, case.wordings.comment(case.question), case.positions.draws - 1
        )
        comments = {voice: (text, *more[voice]) for voice, text in first.items()}
        claims = first_claims(comments)
        groups = yield from _groups(case, claims, rows)
    except PlocalError as error:
        yield Warn(f"The positions of drawn comments could not be counted: {error.message}")
        return None
    weights = {voice.id: voice.member.weight for voice in case.voices}
    method: StanceMethod = "entailment" if case.positions.scores else "llm"
    return count(comments, claims, groups, weights, method)


def _groups(case: Case[Q], claims: Sequence[DrawnClaim], rows: Rows) -> Generator[Step, Any, list[list[int]]]:
    beginnings = [" ".join(sentences(each.comment)[:SENTENCES]) for each in claims]

    def stating(places: Sequence[tuple[int, int]]) -> Generator[Step, Any, list[tuple[int, int]]]:
        """Those of `places` whose first comment begins with what the second claims."""
        pairs = [(beginnings[a], claims[b].claim) for a, b in places]
        entailed = yield from find_entailed(case, pairs, rows)
        return [place for place, is_entailed in zip(places, entailed, strict=True) if is_entailed]

    every = [(a, b) for a in range(len(claims)) for b in range(a + 1, len(claims))]
    forward = yield from stating(every)
    # most comments do not state a later one's claim: whether that states theirs need not be looked into
    mutual = {(a, b) for b, a in (yield from stating([(b, a) for a, b in forward]))}
    return clusters(len(claims), lambda a, b: (a, b) in mutual)
