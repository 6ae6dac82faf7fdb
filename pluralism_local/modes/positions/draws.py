"""Many comments of every voice, and how they spread over positions.

    the voices' comments ──Draw──> n of each ──first claims──> pairs ──relate──> groups ──count──> Draws

Two comments take one position where the beginning of each states the other's first claim. Whole comments hardly ever
say the same, and every two of them are compared, so that the beginnings must do.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pluralism_local.errors import PlocalError
from pluralism_local.modes.positions.assigner import ScoredPairs, claims_method, group_by_claim
from pluralism_local.modes.steps import Case, Draw, Step, Warn
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.shares import count, first_claims
from pluralism_local.results import Draws
from pluralism_local.sentences import sentences

SENTENCES = 2
"""Of a comment, those that are its beginning."""


def spread(case: Case[Q], first: Mapping[str, str], rows: ScoredPairs) -> Generator[Step, Any, Draws | None]:
    """Draw as many comments as the plan says, and count their positions; None, and a warning, where that fails.

    Args:
        first: by voice the comment that it made already, which counts, too.
    """
    try:
        more: Mapping[str, Sequence[str]] = yield Draw(
            case.voices, case.wordings.comment(case.question), case.plan.draws - 1
        )
        comments = {voice: (text, *more[voice]) for voice, text in first.items()}
        claims = first_claims(comments)
        beginnings = [" ".join(sentences(drawn.comment)[:SENTENCES]) for drawn in claims]
        groups = yield from group_by_claim(case, beginnings, [drawn.claim for drawn in claims], rows)
    except PlocalError as error:
        yield Warn(f"The positions of drawn comments could not be counted: {error.message}")
        return None
    weights = {voice.id: voice.member.weight for voice in case.voices}
    return count(comments, claims, groups, weights, claims_method(case))
