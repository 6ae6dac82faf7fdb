"""The positions that the comments take.

    comments ──the LLM, bound to a JSON list | the comments' own first sentences──> claims
             ──merge──> distinct claims ──relate──> Window

The LLM lists where it can be bound by a grammar and follows instructions; where none of its claims stands in any
comment, or it lists none, the sentences are taken after all. `Window.finder` tells which.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from pluralism_local.content_words import is_made_of
from pluralism_local.modes.positions.assigner import ScoredPairs, merge, relate_all
from pluralism_local.modes.steps import Case, Step, Write
from pluralism_local.modes.wordings import Q, Wording
from pluralism_local.positions.claims import distinct, is_of_nobody, read_claims, spoken_claims
from pluralism_local.positions.grammars import claims_grammar, whole_claims
from pluralism_local.positions.stances import build_window
from pluralism_local.progress import PositionsProgress
from pluralism_local.results import Finder, Window
from pluralism_local.types import Completion, Sampling

MOST_LISTED = 7
"""Claims of the LLM: each is a step of writing and of comparing, which an ask waits for."""

_TOKENS_EACH, _TOKENS_BESIDE = 30, 20
_MOST_SENTENCES = 24
"""Of all comments together, at least one of each: every two of them are compared."""


def find_window(
    case: Case[Q], comments: Mapping[str, str], rows: ScoredPairs
) -> Generator[Step, Any, Window]:
    """The window of comments that are not blank; without positions if there are none in them."""
    yield PositionsProgress(0, 0)
    if case.plan.finder == "llm":
        claims = yield from _list(case, comments)
        window = yield from _assign(case, comments, claims, "llm", rows)
        if window.positions:
            return window
    each = max(1, min(2, _MOST_SENTENCES // max(1, len(comments))))
    spoken = spoken_claims(comments, each)
    # everybody's first sentence, then everybody's second: who joins whom does not hang on who speaks first
    claims = distinct(
        claims[turn] for turn in range(each) for claims in spoken.values() if turn < len(claims)
    )
    return (yield from _assign(case, comments, claims, "sentences", rows))


def list_sampling(voices: int) -> Sampling:
    """How the list of claims is drawn: greedy, with room for as many as may come."""
    return Sampling(max_tokens=_TOKENS_EACH * most_claims(voices) + _TOKENS_BESIDE)


def most_claims(voices: int) -> int:
    """How many claims the LLM may list: one more than there are voices, which may be both for and against."""
    return min(MOST_LISTED, max(3, voices + 1))


def listing_of(case: Case[Q], comments: Mapping[str, str]) -> Wording:
    """What the LLM lists on: behind an answer the passages that it read for that, before one the voices by name."""
    most = most_claims(len(comments))
    if case.plan.attributed:
        return case.wordings.positions(case.question, comments, most)
    return case.wordings.positions_behind(case.question, comments, most)


def _list(case: Case[Q], comments: Mapping[str, str]) -> Generator[Step, Any, list[str]]:
    grammar = claims_grammar(most_claims(len(comments)), case.question.question)
    completion: Completion = yield Write(
        "positions", listing_of(case, comments), list_sampling(len(comments)), grammar, opens=True
    )
    listed = [claim for claim in read_claims(completion.text) if is_of_nobody(claim, comments)]
    return whole_claims(listed)


def _assign(
    case: Case[Q], comments: Mapping[str, str], claims: list[str], finder: Finder, rows: ScoredPairs
) -> Generator[Step, Any, Window]:
    texts = "\n".join([case.question.question, *comments.values()])
    claims_on_topic = [claim for claim in claims if is_made_of(claim, texts)]
    leaders = yield from merge(case, claims_on_topic, rows)
    relations = yield from relate_all(case, comments, leaders, rows)
    return build_window(
        leaders,
        relations,
        finder=finder,
        method=case.plan.method,
        question=case.question.question,
        merged=len(claims_on_topic) - len(leaders),
        unsaid=len(claims) - len(claims_on_topic),
    )
