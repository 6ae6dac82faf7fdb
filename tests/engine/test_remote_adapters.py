"""Communities' adapters at a server, told per request, and several requests at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine import remote_together
from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.remote_protocol import RemoteOptions
from pluralism_local.errors import NotFound, RemoteFailure, Unsupported
from pluralism_local.types import AdapterRef, Message, Request, Sampling, TextDone
from tests.support.remote_server import HELLO, LETTERS, Act, Server, answer, whole

LEFT = AdapterRef(Path("adapters/left/left.gguf"), "0" * 64)
FARMERS = AdapterRef(Path("farmers.gguf"), "1" * 64, scale=0.5)
LOADED = answer(
    200,
    [{"id": 0, "path": "/models/left.gguf", "scale": 0.0}, {"id": 1, "path": "farmers.gguf", "scale": 1.0}],
)
LISTED = answer(200, {"data": [{"id": "base"}, {"id": "left"}, {"id": "farmers"}]})
AT_LLAMA_SERVER = RemoteOptions(adapters="llama-server")


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def through(adapter: AdapterRef | None, text: str = "Fair?") -> Request:
    return Request((Message("user", text),), Sampling(max_tokens=5), adapter)


def test_a_llama_server_is_told_of_every_adapter_those_that_do_not_speak_with_zero(server: Server) -> None:
    engine = server.engine(LOADED, HELLO, HELLO, HELLO, options=AT_LLAMA_SERVER)
    assert engine.capabilities.adapters
    list(engine.generate([through(LEFT), through(FARMERS), through(None)]))
    assert server.requests[0]["path"] == "/lora-adapters"
    assert [[entry["scale"] for entry in request["lora"]] for request in server.requests[1:]] == [
        [1.0, 0.0],
        [0.0, 0.5],
        [0.0, 0.0],
    ]
    server.acts = [answer(200, whole("A", {"A": 0.6, "B": 0.4}))]
    engine.distribution([LETTERS])
    assert [entry["scale"] for entry in server.requests[-1]["lora"]] == [0.0, 0.0]


def test_at_vllm_an_adapter_is_a_model(server: Server) -> None:
    engine = server.engine(LISTED, HELLO, HELLO, model="base", options=RemoteOptions(adapters="vllm"))
    list(engine.generate([through(LEFT), through(None)]))
    assert [request["model"] for request in server.requests[1:]] == ["left", "base"]
    with pytest.raises(Unsupported, match=r"full scale, not at 0\.5"):
        list(engine.generate([through(FARMERS)]))


def test_an_adapter_that_the_server_does_not_have_is_named_with_those_it_has(server: Server) -> None:
    other = AdapterRef(Path("fishers.gguf"), "2" * 64)
    engine = server.engine(LOADED, options=AT_LLAMA_SERVER)
    with pytest.raises(NotFound, match=r"no adapter 'fishers'; it has: farmers, left\."):
        list(engine.generate([through(other)]))


def test_a_server_that_is_no_llama_server_says_so(server: Server) -> None:
    with pytest.raises(RemoteFailure):
        list(
            server.engine(answer(404, {"detail": "Not Found"}), options=AT_LLAMA_SERVER).generate(
                [through(LEFT)]
            )
        )
    with pytest.raises(RemoteFailure):
        list(server.engine(answer(200, {"hello": 1}), options=AT_LLAMA_SERVER).generate([through(LEFT)]))


class Gauge:
    """How many requests are under way at once, and were at most."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def act(self, then: Act, seconds: float = 0.1) -> Act:
        def carried_out(handler: BaseHTTPRequestHandler) -> None:
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(seconds)
            with self._lock:
                self.now -= 1
            then(handler)

        return carried_out


def test_requests_go_out_together_and_never_more_than_allowed(server: Server) -> None:
    gauge = Gauge()
    engine = server.engine(*[gauge.act(HELLO)] * 8, options=RemoteOptions(parallel=3))
    assert engine.capabilities.batched
    events = list(engine.generate([through(None, f"Number {number}?") for number in range(8)]))
    done = {event.index: event.completion.text for event in events if isinstance(event, TextDone)}
    assert done == dict.fromkeys(range(8), "Hello")
    assert 1 < gauge.most <= 3
    server.acts = [gauge.act(answer(200, whole("A", {"A": 0.6, "B": 0.4})))] * 4
    assert [weighed.p for weighed in engine.distribution([LETTERS] * 4)] == [pytest.approx((0.6, 0.4))] * 4


def test_the_first_failure_ends_the_others(server: Server) -> None:
    refusal = answer(401, {"error": "no"})
    engine = server.engine(*[refusal] * 6, options=RemoteOptions(parallel=2))
    with pytest.raises(RemoteFailure, match="key"):
        list(engine.generate([through(None) for _ in range(6)]))
    assert len(server.requests) < 6


def test_stopping_and_closing_end_all_of_them() -> None:
    stopped: list[int] = []

    def work(index: int) -> Any:
        def carry_out(should_stop: ShouldStop) -> Iterator[int]:
            yield index
            while not should_stop():
                time.sleep(0.005)
            stopped.append(index)

        return carry_out

    events = remote_together.run([work(0), work(1)], 2, lambda: False)
    assert {next(events), next(events)} == {0, 1}
    events.close()  # type: ignore[attr-defined]
    assert sorted(stopped) == [0, 1]
    assert sorted(remote_together.run([work(2), work(3)], 2, lambda: True)) == [2, 3]
