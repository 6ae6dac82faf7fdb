"""A run tells once what a server says about its texts, whichever of its models says it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pluralism_local.cli.eval.engine_warnings import Telling, once
from pluralism_local.engine.remote import RemoteEngine
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
