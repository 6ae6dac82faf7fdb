"""An ask carried out: warnings before the mode's own, events in the log, the mode ended before its engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from pluralism_local import modes
from pluralism_local.conversation import asking
from pluralism_local.conversation.asking import fit_ask, run_ask
from pluralism_local.conversation.engines import Handles
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask
from pluralism_local.results import CommentDone, ModeEvent, Result
from pluralism_local.settings import Settings
from pluralism_local.types import EngineEvent, Request
from tests.support.mode_asks import BOUNDED, THREE

ASK = Ask("Ban phones?", "overton", THREE)


class Closing(ScriptedEngine):
    """Notes when what it generates is closed."""

    closed = False

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        try:
            yield from super().generate(requests, should_stop=should_stop)
        finally:
            self.closed = True


class Notes:
    """Stands where a `ConversationLog` does."""

    def __init__(self) -> None:
        self.events: list[ModeEvent] = []

    def event(self, event: ModeEvent) -> None:
        self.events.append(event)


def test_the_result_comes_last_with_all_warnings_and_is_not_in_the_log() -> None:
    engine, notes = ScriptedEngine(), Notes()
    events = list(run_ask(ASK, Handles(engine, engine), warnings=["Unfit."], log=notes))  # type: ignore[arg-type]
    *before, result = events
    assert isinstance(result, Result) and result.warnings[0] == "Unfit."
    assert before == notes.events
    comments = [event.comment for event in before if isinstance(event, CommentDone)]
    assert sorted(comments, key=str) == sorted(result.comments, key=str) != []


@pytest.mark.parametrize(
    ("wish", "method"),
    [({"positions": True}, "entailment"), ({"prompts": "own"}, "entailment"), ({}, None)],
)
def test_an_ask_that_wants_positions_gets_the_scorer(
    wish: dict[str, Any], method: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def scorer(*_: object) -> Iterator[Any]:
        yield lambda pairs, should_stop: [(0.8, 0.1, 0.1) for _ in pairs]

    monkeypatch.setattr(asking, "entailment", scorer)
    engine = ScriptedEngine(capabilities=BOUNDED)
    *_, result = run_ask(replace(ASK, **wish), Handles(engine, engine), settings=Settings())

    assert isinstance(result, Result)
    assert (None if result.window is None else result.window.method) == method


def test_whoever_leaves_ends_the_mode() -> None:
    engine = Closing()
    events = run_ask(ASK, Handles(engine, engine))
    next(events)
    assert not engine.closed
    events.close()
    assert engine.closed


def test_a_mode_without_a_result_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_at_once(*_: object, **__: object) -> Iterator[ModeEvent]:
        yield from ()

    monkeypatch.setattr(modes, "run", ends_at_once)
    engine = ScriptedEngine()
    with pytest.raises(TypeError, match="ends with a Result"):
        list(run_ask(ASK, Handles(engine, engine)))


def test_without_a_pool_there_is_nothing_to_fit() -> None:
    engine = ScriptedEngine()
    ask = Ask("Ban phones?", "vanilla")
    assert fit_ask(ask, Handles(engine, engine)) == (ask, [])
