"""Will it fit? Asked before anything is generated, for the worst case: every comment as long as it may be.

    sampling, Room(prompt without comments, how many comments go in, answer tokens)… ──fit_comments──> sampling

Comments are shortened, never dropped. What cannot fit even then raises ContextOverflow while nothing is lost yet. An
LLM that does not count tokens or whose context is unknown is not checked here: it answers or raises by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import ContextOverflow
from pluralism_local.modes.steps import Room
from pluralism_local.types import Message, Sampling

SHORTEST = 32  # tokens; a comment cut shorter says nothing
SLACK = 2  # tokens per comment: text that is tokenized again may split differently


def fit_comments(
    sampling: Sampling, rooms: Sequence[Room], llm: LanguageModel, prompt: Callable[[str], Sequence[Message]]
) -> Sampling:
    """`sampling`, with so few tokens for each comment that each of `rooms` fits the LLM's context.

    Args:
        prompt: the conversation of which a room's text is the last user message.

    Raises:
        ContextOverflow: not even comments of 32 tokens (or of the wanted length, if that is less) fit.
    """
    context = llm.info.context
    if context is None or not llm.capabilities.counts_tokens:
        return sampling
    shortest = min(SHORTEST, sampling.max_tokens)
    for room in rooms:
        fixed = llm.count_tokens(prompt(room.wording.text))
        if fixed is None:
            break
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
    return sampling


def _comments(count: int) -> str:
    return "one comment" if count == 1 else f"{count} comments"
