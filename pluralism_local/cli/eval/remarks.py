"""What engines say about their own texts, told while a run goes on: an ask shows it with each answer, a run once.

Telling(engine, once(out.warn)): the same engine; each new warning of a text or a distribution ──> out.warn
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Self

from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.types import (
    AdapterRef,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
)


def once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """`tell`, but for a sentence that it was already given."""
    told: set[str] = set()

    def tell_new(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            tell(sentence)

    return tell_new


class Telling(LanguageModel):
    """An engine that belongs to somebody else, who closes it; its warnings are told."""

    def __init__(self, engine: LanguageModel, tell: Callable[[str], None]) -> None:
        self._engine = engine
        self._tell = tell

    @property
    def info(self) -> ModelInfo:
        """The engine's."""
        return self._engine.info

    @property
    def capabilities(self) -> Capabilities:
        """The engine's."""
        return self._engine.capabilities

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """The engine's events."""
        for event in self._engine.generate(requests, should_stop=should_stop):
            if isinstance(event, TextDone):
                self._remark(event.completion.warnings)
            yield event

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """The engine's distributions."""
        found = self._engine.distribution(requests, should_stop=should_stop)
        for one in found:
            self._remark(one.warnings)
        return found

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int | None:
        """The engine's count."""
        return self._engine.count_tokens(messages, adapter)

    def forget(self) -> None:
        """Let the engine forget."""
        self._engine.forget()

    def close(self) -> None:
        """Nothing: the engine is not this object's own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remark(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._tell(sentence)
