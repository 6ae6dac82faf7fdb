"""A scripted engine as behind a server: it answers one request after the other, and its connection may break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import RemoteFailure
from pluralism_local.types import EngineEvent, ModelInfo, OptionDistribution, OptionRequest, Request


class Far(ScriptedEngine):
    """Answers one after the other, as over a connection that breaks after `left` answers."""

    def __init__(self, left: int = 10**9) -> None:
        super().__init__(record=True)
        self.left = left

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("remote:http://127.0.0.1:9/v1#m", "remote")

    def _spend(self) -> None:
        if self.left == 0:
            raise RemoteFailure("The connection broke.")
        self.left -= 1

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        for index, request in enumerate(requests):
            self._spend()
            for event in super().generate([request], should_stop=should_stop):
                yield replace(event, index=index)

    def distributions(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> Iterator[tuple[int, OptionDistribution]]:
        for index, request in enumerate(requests):
            self._spend()
            yield index, super().distribution([request], should_stop=should_stop)[0]
