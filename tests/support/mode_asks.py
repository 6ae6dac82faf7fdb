"""Pools made in memory, an engine that misbehaves on request, and the end of a mode's events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pluralism_local.communities import AdapterSpec, BaseSpec, Card, Community, Member, Pool
from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import PlocalError, Unsupported
from pluralism_local.modes import Ask, run
from pluralism_local.results import ModeEvent, Result
from pluralism_local.types import EngineEvent, OptionDistribution, OptionRequest, Request

FULL = Capabilities(adapters=True, distribution="exact", batched=True, counts_tokens=True)
NO_PROBABILITIES = Capabilities(adapters=True, distribution="none", batched=True, counts_tokens=True)
NO_ADAPTERS = Capabilities(adapters=False, distribution="exact", batched=True, counts_tokens=True)
BOUNDED = Capabilities(
    adapters=True, distribution="bounded", batched=True, counts_tokens=True, grammars="json"
)
"""Of an LLM whose probabilities are not known exactly, so that the scorer tells stances."""


def community(
    id: str, persona: str | None = "", *, folder: Path | None = None, beside_persona: bool = False
) -> Community:
    """A community with a persona (default: one that names it), and with an adapter if `folder` is given."""
    text = f"You speak for {id}." if persona == "" else persona
    adapter = AdapterSpec(
        file=f"{id}.gguf",
        sha256=id.encode().hex().ljust(64, "0")[:64],
        rank=8,
        alpha=16,
        activation="always",
        beside_persona=beside_persona,
    )
    return Community(
        Card(
            schema=1,
            id=id,
            name=id.title(),
            description=f"People of the {id}.",
            persona=text,
            adapter=None if folder is None else adapter,
            base=None if folder is None else BaseSpec(model="test", fingerprint=f"sha256:{'0' * 64}"),
        ),
        folder,
    )


def pool(*members: tuple[str, float] | Community) -> Pool:
    """A pool of (id, weight) pairs, or of communities with equal weights."""
    built = [
        Member(community(member[0]), member[1])
        if isinstance(member, tuple)
        else Member(member, 1 / len(members))
        for member in members
    ]
    return Pool("test", "Test", tuple(built))


THREE = pool(("left", 0.5), ("center", 0.25), ("right", 0.25))


def script(folder: Path, **parts: Any) -> Path:
    """A script file of the given replies and distributions."""
    file = folder / "script.json"
    file.write_text(json.dumps(parts))
    return file


def events_of(
    ask: Ask, llm: ScriptedEngine, communities: ScriptedEngine | None = None, should_stop: ShouldStop = never
) -> list[ModeEvent]:
    """Everything a mode yields, one engine in both roles unless two are given."""
    return list(run(ask, llm=llm, communities=communities or llm, should_stop=should_stop))


def last(events: Iterable[ModeEvent]) -> Result:
    """The last event, which must be the only Result."""
    found = list(events)
    results = [event for event in found if isinstance(event, Result)]
    assert results == found[-1:]
    return results[0]


def answer(
    ask: Ask, llm: ScriptedEngine, communities: ScriptedEngine | None = None, should_stop: ShouldStop = never
) -> Result:
    """The Result alone."""
    return last(events_of(ask, llm, communities, should_stop))


def after(count: int) -> ShouldStop:
    """A stop that turns true at the call after `count` calls, and stays true."""
    calls = iter(range(count))
    return lambda: next(calls, None) is None


class NoLogprobs(ScriptedEngine):
    """As a server that shows only when it is asked that it gives no probabilities."""

    def __init__(self, script: Path | None = None) -> None:
        super().__init__(script, capabilities=replace(FULL, distribution="bounded"), record=True)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        super().distribution(requests, should_stop=should_stop)
        raise Unsupported("The server gives no logprobs.")


class FailingEngine(ScriptedEngine):
    """A scripted engine whose calls fail with `error`, the generation after `events` (2: one request's first word)."""

    def __init__(
        self, error: PlocalError, fails: Callable[[str], bool], *, events: int = 2, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._events = events
        self._error = error
        self._fails = fails

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        events = super().generate(requests, should_stop=should_stop)
        if self._fails(requests[0].messages[-1].content):
            yield from islice(events, self._events)
            raise self._error
        yield from events

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        if self._fails(requests[0].messages[-1].content):
            raise self._error
        return super().distribution(requests, should_stop=should_stop)
