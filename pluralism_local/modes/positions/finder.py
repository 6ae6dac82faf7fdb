"""The positions that the comments take.

    comments ──their authors' own words, else the LLM, of each what it claims | the first sentences──> claims
             ──merged──> distinct claims ──relate──> Window

Where an author says what it holds on the question ("I believe that …"), that is its claim. Of other comments the LLM
tells what each claims, if it follows instructions; where none of these claims stands in any comment, or it tells none,
the first sentences of all are taken. `Window.finder` tells which. Every comment is read by itself: of all together a
small model lists what the longest ones say, and not what a single voice holds against them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from pluralism_local.content_words import is_made_of
from pluralism_local.modes.positions.assigner import ScoredPairs, merged, relate_all
from pluralism_local.modes.steps import Case, Step, WriteEach
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.claims import (
    claim_id,
    distinct,
    is_of_nobody,
    own_view,
    read_claim,
    spoken_claims,
    takes_no_view,
)
from pluralism_local.positions.grammars import claim_grammar
from pluralism_local.positions.stances import build_window, with_reasons
from pluralism_local.progress import PositionsProgress
from pluralism_local.results import Finder, Window
from pluralism_local.types import Completion, Sampling

MOST_CLAIMS = 8
"""Claims that are compared with every comment: an ask waits for each."""

CLAIM = Sampling(max_tokens=60)
"""How a claim is drawn: greedy, a sentence."""

_MOST_SENTENCES = 24
"""Of all comments together, at least one of each: every two of them are compared."""


def find_window(
    case: Case[Q], comments: Mapping[str, str], rows: ScoredPairs
) -> Generator[Step, Any, Window]:
    """The window of comments that are not blank; without positions if there are none in them.

    A comment whose author takes no view is silent on every position.
    """
    yield PositionsProgress(0, 0)
    views = {voice: "" if takes_no_view(comment) else comment for voice, comment in comments.items()}
    if case.plan.finder == "llm":
        told = yield from _tell(case, {voice: view for voice, view in views.items() if view})
        window = yield from _assign(case, views, told, "llm", rows)
        if window.positions:
            return window
    each = max(1, min(2, _MOST_SENTENCES // max(1, len(comments))))
    return (yield from _assign(case, views, spoken_claims(views, each), "sentences", rows))


def most_claims(voices: int) -> int:
    """How many claims are compared with the comments, at most: of each a claim and its reason."""
    return min(MOST_CLAIMS, 2 * voices)


def _tell(case: Case[Q], comments: Mapping[str, str]) -> Generator[Step, Any, dict[str, list[str]]]:
    """By voice what its comment claims, the claim, then with its reason.

    In the author's words where these say what it holds; of the other comments the LLM says it.
    """
    question = case.question.question
    claims = {voice: own_view(comment, question) for voice, comment in comments.items()}
    open_voices = [voice for voice, (claim, _) in claims.items() if not claim]
    if open_voices:
        bound = claim_grammar(question, comments.values()) if case.plan.grammars == "gbnf" else None
        parts = tuple(
            (case.wordings.claim(case.question, comments[voice]), CLAIM, bound) for voice in open_voices
        )
        replies: Sequence[Completion] = yield WriteEach("positions", parts)
        claims |= {voice: read_claim(reply.text) for voice, reply in zip(open_voices, replies, strict=True)}
    return {
        voice: [claim for claim in told if claim and is_of_nobody(claim, comments)]
        for voice, told in claims.items()
    }


def _assign(
    case: Case[Q],
    comments: Mapping[str, str],
    told: Mapping[str, Sequence[str]],
    finder: Finder,
    rows: ScoredPairs,
) -> Generator[Step, Any, Window]:
    """The window of what each voice is told to claim, the most important claims first."""
    texts = "\n".join([case.question.question, *comments.values()])
    claims = _in_turn(told.values())
    claims_on_topic = [claim for claim in claims if is_made_of(claim, texts)]
    groups = yield from merged(case, claims_on_topic, rows)
    merged_away, most = len(claims_on_topic) - len(groups), len(groups)
    if finder == "llm":
        groups.sort(key=lambda group: -len(_voices_of(group, claims_on_topic, told)))
        most = MOST_CLAIMS
    beyond, groups = len(groups[most:]), groups[:most]
    leaders = [claims_on_topic[group[0]] for group in groups]
    held: dict[str, list[int]] = {}
    for place, group in enumerate(groups if finder == "llm" else ()):
        for voice in _voices_of(group, claims_on_topic, told):
            held.setdefault(voice, []).append(place)
    relations = yield from relate_all(case, comments, leaders, rows, held)
    if finder == "llm":
        relations = {voice: with_reasons(row, leaders) for voice, row in relations.items()}
    return build_window(
        leaders,
        relations,
        finder=finder,
        method=case.plan.method,
        question=case.question.question,
        merged=merged_away,
        unsaid=len(claims) - len(claims_on_topic),
        beyond=beyond,
    )


def _in_turn(told: Iterable[Sequence[str]]) -> list[str]:
    """Everybody's first claim, then everybody's second: who joins whom does not hang on who speaks first."""
    rows = list(told)
    return distinct(
        row[turn] for turn in range(max(map(len, rows), default=0)) for row in rows if turn < len(row)
    )


def _voices_of(group: Sequence[int], claims: Sequence[str], told: Mapping[str, Sequence[str]]) -> list[str]:
    """Those of whose comments one of the group's claims was told, in order."""
    held = {claim_id(claims[place]) for place in group}
    return [voice for voice, own in told.items() if not held.isdisjoint(map(claim_id, own))]
