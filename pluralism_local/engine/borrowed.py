"""An engine that belongs to somebody else, looked at or spoken for on the way.

Borrowed(engine): the same engine, whose owner closes it; a subclass does something of its own with what passes
spoken_at_once:   the events of a text that such a subclass has already
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDelta,
    TextDone,
    TextStarted,
)


class Borrowed(LanguageModel):
    """`engine` as it is, but that closing it does nothing."""

    def __init__(self, engine: LanguageModel) -> None:
        self._engine = engine

    @property
    def info(self) -> ModelInfo:
        """The engine's."""
        return self._engine.info

    @property
    def capabilities(self) -> Capabilities:
        """The engine's, so that what it cannot do is refused here too."""
        return self._engine.capabilities

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """The engine's events."""
        return self._engine.generate(requests, should_stop=should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """The engine's distributions."""
        return self._engine.distribution(requests, should_stop=should_stop)

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int | None:
        """The engine's count."""
        return self._engine.count_tokens(messages, adapter)

    def forget(self) -> None:
        """Let the engine forget."""
        self._engine.forget()

    def close(self) -> None:
        """Nothing: whoever opened the engine closes it."""


def spoken_at_once(index: int, completion: Completion) -> Iterator[EngineEvent]:
    """The events of request `index`, whose text is there already: nothing is read for it, and it comes in one piece."""
    yield TextStarted(index, 0, 0)
    if completion.text:
        yield TextDelta(index, completion.text)
    yield TextDone(index, completion)
