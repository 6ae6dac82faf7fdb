"""Conversations that outgrow the context, and calls that say so.

    thread, room for the reply ──leave_out──> draft.left_out[voice]: so many of the oldest turns go
    requests ──generated / until_it_fits──> the call; while it overflows, more of the oldest turns go

Before a call the prompts are counted where the model can count. An answer's own tokens may be a few more than those of
its text read anew, and some models count nothing: so a call that is refused for its length is made again with fewer
turns, until there are none left to leave out. Then the refusal is the caller's, as in an ask that stands alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import ContextOverflow
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.types import EngineEvent, Message, Request, TextDone

T = TypeVar("T")


def leave_out(
    draft: ResultBuilder,
    voice: str,
    model: LanguageModel,
    thread: Callable[[int], Sequence[Message]],
    room: int,
) -> None:
    """Leave out as many of `voice`'s oldest turns as must go for its prompt and `room` tokens to fit `model`.

    `thread` makes the prompt without that many turns. If it does not even fit alone, all turns go.
    """
    context = model.info.context
    if context is None or not model.capabilities.counts_tokens:
        return

    def fits(count: int) -> bool:
        tokens = model.count_tokens(thread(count))
        return tokens is None or tokens + room <= context

    least, total = draft.left_out.get(voice, 0), len(draft.ask.turns)
    if least < total and not fits(least):
        choices = range(least + 1, total)
        draft.left_out[voice] = least + 1 + bisect_left(choices, True, key=fits)


def generated(
    draft: ResultBuilder,
    model: LanguageModel,
    voices: Sequence[str],
    requests: Callable[[], Sequence[Request]],
    *,
    should_stop: ShouldStop,
) -> Iterator[EngineEvent]:
    """The events of one call for `voices`; closing cancels it. `requests` is asked anew for every attempt.

    What the engine says about its texts goes into the draft's warnings.

    Raises:
        ContextOverflow: it does not fit, and there are no turns to leave out.
    """
    begun = False
    while True:
        try:
            with closing(model.generate(requests(), should_stop=should_stop)) as events:
                for event in events:
                    begun = True
                    if isinstance(event, TextDone):
                        draft.warn_all(event.completion.warnings)
                    yield event
            return
        except ContextOverflow:
            if begun or not _leave_out_more(draft, model, voices):
                raise


def until_it_fits(
    draft: ResultBuilder, model: LanguageModel, voices: Sequence[str], call: Callable[[], T]
) -> T:
    """`call`'s result, made again with fewer turns while it overflows.

    Raises:
        ContextOverflow: there are no turns to leave out.
    """
    while True:
        try:
            return call()
        except ContextOverflow:
            if not _leave_out_more(draft, model, voices):
                raise


@contextmanager
def closing(events: Iterator[EngineEvent]) -> Iterator[Iterator[EngineEvent]]:
    """Close an engine's iterator at the end of the block, which cancels what is unfinished."""
    try:
        yield events
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


def _leave_out_more(draft: ResultBuilder, model: LanguageModel, voices: Sequence[str]) -> bool:
    """One turn less for each voice, or half of them if the model cannot count; False if none had any."""
    total, more = len(draft.ask.turns), False
    for voice in voices:
        gone = draft.left_out.get(voice, 0)
        if gone < total:
            step = 1 if model.capabilities.counts_tokens else -(-(total - gone) // 2)
            draft.left_out[voice] = gone + step
            more = True
    return more
