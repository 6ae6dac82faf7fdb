"""Will it fit? Asked before anything is generated, for the worst case: every comment as long as it may be.

    Room(prompt without comments, how many comments go in, answer tokens)… ──fit_comments──> comment_sampling

The conversation's oldest turns go first (`threads`); then comments are shortened, never dropped; both are said. What
cannot fit even then raises ContextOverflow while nothing is lost yet. An LLM that does not count tokens or whose
context is unknown is not checked here: it answers or raises by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pluralism_local.errors import ContextOverflow
from pluralism_local.modes.draft import Draft
from pluralism_local.modes.threads import leave_out
from pluralism_local.types import LLM_VOICE

SHORTEST = 32  # tokens; a comment cut shorter says nothing
SLACK = 2  # tokens per comment: text that is tokenized again may split differently


@dataclass(frozen=True, slots=True)
class Room:
    """One prompt of the LLM.

    Attributes:
        text: the user message with empty comments.
        comments: how many comments go into it, ≥ 1.
        answer: tokens that the LLM may write.
    """

    text: str
    comments: int
    answer: int


def fit_comments(draft: Draft, rooms: Sequence[Room]) -> None:
    """Settle `draft.comment_sampling`, and the LLM's turns, so that each of `rooms` fits the LLM's context.

    Raises:
        ContextOverflow: not even comments of 32 tokens (or of the wanted length, if that is less) fit.
    """
    sampling = draft.ask.comment
    draft.comment_sampling = sampling
    context = draft.llm.info.context
    if context is None or not draft.llm.capabilities.counts_tokens:
        return
    shortest = min(SHORTEST, sampling.max_tokens)
    for room in rooms:
        comments = room.comments * (sampling.max_tokens + SLACK)
        leave_out(draft, LLM_VOICE, draft.llm, partial(draft.ask.to_llm, room.text), room.answer + comments)
    for room in rooms:
        fixed = draft.llm.count_tokens(draft.to_llm(room.text))
        if fixed is None:
            return
        needed = fixed + room.answer + room.comments * (shortest + SLACK)
        if needed > context:
            raise ContextOverflow(
                f"The question, {_comments(room.comments)} of {shortest} tokens and an answer of "
                f"{room.answer:,} tokens need {needed:,} tokens; the context holds {context:,}.",
                "Raise --ctx-size, lower --max-tokens, ask fewer communities or shorten the question.",
                needed=needed,
                available=context,
            )
        most = (context - fixed - room.answer) // room.comments - SLACK
        if most < sampling.max_tokens:
            sampling = replace(sampling, max_tokens=most)
    if sampling != draft.ask.comment:
        draft.comment_sampling = sampling
        draft.warn(
            f"Comments may take {sampling.max_tokens:,} tokens each instead of "
            f"{draft.ask.comment.max_tokens:,}, so that they fit the context of {context:,} tokens."
        )


def _comments(count: int) -> str:
    return "one comment" if count == 1 else f"{count} comments"
