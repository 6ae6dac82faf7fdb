"""Whatever a server sends ends in an answer or in an error of ours, and never in another exception."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluralism_local.engine import remote_line
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.errors import PlocalError
from pluralism_local.types import Message, Request, Sampling, TextDelta, TextDone, TextStarted
from tests.support.remote_server import LETTERS, chunk, sse, whole

KEY = "sk-secret-0123456789"
KINDS = ("text/event-stream", "application/json", "text/html; charset=latin-1", "", "x")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(KEY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = (
    *(
        "choices",
        "delta",
        "message",
        "content",
        "finish_reason",
        "usage",
        "error",
        "logprobs",
        "top_logprobs",
    ),
    *("token", "logprob", "bytes", "data", "id", "code", "param", "detail", "loc", "msg", "text", "done"),
)
likely = st.recursive(
    json_values,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def near_misses(value: Any) -> list[Any]:
    """`value`, and every version of it with one part replaced by something else."""
    if isinstance(value, dict):
        return [value] + [
            {**value, key: other} for key, part in value.items() for other in near_misses(part)[:40]
        ]
    if isinstance(value, list):
        return [value, [], None, *([other] for part in value[:1] for other in near_misses(part)[:40])]
    return [value, None, 3, -1.5, "", KEY, [], {}, [None], True]


ALMOST = [*near_misses(chunk("A", "stop")), *near_misses(whole("A", {"A": 0.6, "B": 0.3}))]
bodies = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80).map(str.encode),
    likely.map(lambda value: json.dumps(value).encode()),
    st.lists(likely | st.sampled_from(ALMOST) | st.sampled_from(["[DONE]", "{"]), max_size=4).map(
        lambda events: sse(*events).encode()
    ),
    st.sampled_from(ALMOST).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(ALMOST).map(lambda value: sse(value, chunk("B", "stop")).encode()),
)


class Answering(RemoteEngine):
    """A remote engine whose server gives one answer to everything."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__("http://127.0.0.1:1/v1", "m", api_key=KEY, timeout=5)
        self.asked = 0

        def handle(request: httpx2.Request) -> httpx2.Response:
            self.asked += 1
            return httpx2.Response(status, content=body, headers=headers)

        self._transport = httpx2.MockTransport(handle)

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=bodies,
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 401, 404, 422, 429, 500, 503]),
    kind=st.sampled_from(KINDS),
    location=st.text(max_size=20).filter(str.isprintable).filter(str.isascii),
)
def test_anything(body: bytes, status: int, kind: str, location: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_line, "BACKOFF", (0.0,))
        with Answering(
            status, body, {"content-type": kind, "location": location, "retry-after": "0"}
        ) as engine:
            messages = (Message("system", "Be brief."), Message("user", "Fair?"))
            try:
                events = list(engine.generate([Request(messages, Sampling(max_tokens=3, stop=("END",)))]))
                assert isinstance(events[0], TextStarted) and isinstance(events[-1], TextDone)
                text = "".join(event.text for event in events if isinstance(event, TextDelta))
                assert events[-1].completion.text == text
                assert KEY not in str(events[-1].completion.warnings)
            except PlocalError as error:
                assert KEY not in error.message + error.hint
            try:
                (found,) = engine.distribution([LETTERS])
                assert sum(found.p) == pytest.approx(1)
                assert all(0 <= low <= high <= 1 + 1e-9 for low, high in found.bounds)
            except PlocalError as error:
                assert KEY not in error.message + error.hint
            assert engine.asked <= 40
