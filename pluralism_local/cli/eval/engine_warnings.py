"""What engines say about their own texts, told while a run goes on: an ask shows it with each answer, a run once.

Telling(engine, once(out.warn)): the same engine; each new warning of a text or a distribution ──> out.warn
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.engine.borrowed import Borrowed
from pluralism_local.types import EngineEvent, OptionDistribution, OptionRequest, Request, TextDone


def once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """`tell`, but for a sentence that it was already given."""
    told: set[str] = set()

    def tell_new(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            tell(sentence)

    return tell_new


class Telling(Borrowed):
    """An engine that belongs to somebody else, who closes it; its warnings are told.

    Args:
        written: told (texts that are there, texts to write) of a call, before the first and after each but the last.
    """

    def __init__(
        self,
        engine: LanguageModel,
        tell: Callable[[str], None],
        written: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        super().__init__(engine)
        self._tell, self._written = tell, written

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """The engine's events."""
        done = 0
        self._written(done, len(requests))
        for event in self._engine.generate(requests, should_stop=should_stop):
            if isinstance(event, TextDone):
                self._remark(event.completion.warnings)
                done += 1
                if done < len(requests):
                    self._written(done, len(requests))
            yield event

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """The engine's distributions."""
        distributions = self._engine.distribution(requests, should_stop=should_stop)
        for distribution in distributions:
            self._remark(distribution.warnings)
        return distributions

    def distributions(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> Iterator[tuple[int, OptionDistribution]]:
        """The engine's distributions, as they come."""
        for index, distribution in self._engine.distributions(requests, should_stop=should_stop):
            self._remark(distribution.warnings)
            yield index, distribution

    def _remark(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._tell(sentence)
