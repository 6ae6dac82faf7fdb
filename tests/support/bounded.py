"""A scripted engine whose distributions are known within bounds only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.types import OptionDistribution, OptionRequest


class Bounded(ScriptedEngine):
    """As a server that hides what is not among its likeliest tokens: each mass lies in an interval."""

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        exact = super().distribution(requests, should_stop=should_stop)
        return [
            replace(one, bounds=tuple((mass / 2, mass) for mass in one.mass), method="top_logprobs")
            for one in exact
        ]
