"""A run tells once what a server says about its texts, whichever of its models says it, and how many are written."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from pluralism_local.cli.eval.engine_warnings import Telling, once
from pluralism_local.cli.eval.progress import writing_pace
from pluralism_local.cli.output import Output
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.types import TextDone
from tests.support.remote_server import HELLO, LETTERS, Server, answer, say, whole


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def test_a_warning_is_told_once_and_all_else_passes(server: Server) -> None:
    complaint = answer(400, {"error": {"message": "Unrecognized request argument supplied: seed"}})
    server.acts = [complaint, HELLO, HELLO, complaint, HELLO, answer(200, whole("A", {"A": 0.6, "B": 0.3}))]
    told: list[str] = []
    tell = once(told.append)
    for _ in range(2):
        with (
            RemoteEngine(f"http://{server.address}", "m", api_key="") as engine,
            Telling(engine, tell) as telling,
        ):
            assert telling.info == engine.info
            assert telling.capabilities == engine.capabilities
            assert telling.count_tokens(()) is None
            telling.forget()
            requests = [say("1"), say("2")] if not told else [say("3")]
            events = list(telling.generate(requests))
            assert sum(isinstance(event, TextDone) for event in events) == len(requests)
    with RemoteEngine(f"http://{server.address}", "m", api_key="") as engine:
        assert Telling(engine, tell).distribution([LETTERS])[0].method == "top_logprobs"
    assert told == ["The server takes no seed; asked again, it may answer otherwise."]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_texts_of_a_call_are_counted_as_they_come(count: int) -> None:
    told: list[tuple[int, int]] = []
    with Telling(ScriptedEngine(), lambda _: None, lambda *now: told.append(now)) as telling:
        for _ in range(2):
            told.clear()
            list(telling.generate([say(str(number)) for number in range(count)]))
            assert told == [(done, count) for done in range(count)]


def test_a_long_call_says_every_so_often_how_far_it_is() -> None:
    stderr, now = io.StringIO(), [0.0]
    report = writing_pace(Output(io.StringIO(), stderr), "comments", lambda: now[0])
    for call in range(2):
        for done in range(96):
            report(done, 96)
            now[0] += 1
        lines = stderr.getvalue().splitlines()
        assert lines[4 * call] == "comments: 21 of 96 of this batch, 60.0 a minute, 1:15 left"
        assert len(lines) == 4 * (call + 1)
