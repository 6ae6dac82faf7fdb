# ruff: noqa: E501 -- a table has one row a line
"""What servers get wrong, one row each: what is sent, and what must come of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from pluralism_local.engine import remote_line
from pluralism_local.errors import PlocalError
from pluralism_local.types import EngineEvent, Message, Request, Sampling, TextDelta, TextDone
from tests.support.remote_server import HELLO, Act, Server, answer, body, chunk, endless, sse


@dataclass(frozen=True)
class Case:
    """What a server does, request by request, and what is to come of it.

    Attributes:
        text: all deltas together, also where it fails.
        finish: None where it fails.
        warns: parts of the warnings, one each; nothing else may be warned of.
        error: the error's code, and parts of its message and hint.
        requests: how many are sent; None where that is not the point.
    """

    name: str
    acts: Sequence[Act]
    text: str = ""
    finish: str | None = None
    warns: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    requests: int | None = 1


def yes(finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": "Yes."}, "finish_reason": finish}], **more}


def end(finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {}, "finish_reason": finish}], **more}


def one(*events: object, **options: Any) -> tuple[Act, ...]:
    return (body(sse(*events), **options),)


WHOLE = {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}
DONE = "[DONE]"

FINISHES = [
    Case("an empty reason is none yet", one(yes(""), end("stop"), DONE), "Yes.", "stop"),
    Case("an empty reason, and only [DONE]", one(yes(""), end(""), DONE), "Yes.", "stop"),
    Case("no reason, but [DONE]", one(yes(), DONE), "Yes.", "stop"),
    Case("no reason at all, but [DONE]", one({"choices": [{"delta": {"content": "Yes."}}]}, DONE), "Yes.", "stop"),
    Case("a reason of the word null", one(yes("null"), end("stop")), "Yes.", "stop"),
    Case("eos", one(yes("eos"), DONE), "Yes.", "stop", warns=("'eos'",)),
    Case("stop_sequence", one(yes(), end("stop_sequence")), "Yes.", "stop", warns=("'stop_sequence'",)),
    Case("end_turn without text", one(end("end_turn")), "", "stop", warns=("'end_turn'",)),
    Case("a reason nobody knows", one(yes("abandoned")), "Yes.", "stop", warns=("'abandoned'",)),
    Case("a reason that is a number", one(yes(7)), "Yes.", "stop", warns=("'7'",)),
    Case("max_tokens", one(yes("max_tokens"), DONE), "Yes.", "length"),
    Case("MAX_TOKENS", one(yes("MAX_TOKENS"), DONE), "Yes.", "length"),
    Case("model_length", one(yes("model_length"), DONE), "Yes.", "length"),
    Case("STOP", one(yes("STOP")), "Yes.", "stop"),
    Case("withheld", one(end("content_filter"), DONE), error=("remote_failure", "content_filter")),
    Case("withheld after text", one(yes(), end("content_filter")), "Yes.", error=("remote_failure", "content_filter")),
    Case("SAFETY after text", one(yes("SAFETY")), "Yes.", error=("remote_failure", "SAFETY")),
    Case("an unknown reason without text", one(end("tool_calls")), error=("remote_failure", "tool_calls")),
    Case("neither a reason nor [DONE]", one(yes()), "Yes.", error=("remote_failure", "broke off")),
    Case("cut within an event", (body(sse(yes()) + 'data: {"choi'),), "Yes.", error=("remote_failure", "broke off")),
    Case("garbled later on", one(yes(), "{{", end()), "Yes.", error=("remote_failure", "broke off", "not JSON")),
    Case("[DONE] without an empty line", (body(sse(yes()) + "data: [DONE]"),), "Yes.", "stop"),
    Case("an error after text", one(yes(), {"error": {"message": "out of memory"}}), "Yes.", error=("remote_failure", "out of memory")),
]  # fmt: skip

FIELDS = [
    Case("usage of nulls", one(yes("stop", usage={"prompt_tokens": None, "completion_tokens": None})), "Yes.", "stop"),
    Case("usage with a fraction", one(yes("stop", usage={"prompt_tokens": 2.5})), "Yes.", "stop"),
    Case("usage below zero", one(yes("stop", usage={"completion_tokens": -1})), "Yes.", "stop"),
    Case("usage that is a text", one(yes("stop", usage="3")), "Yes.", "stop"),
    Case("choices that are null", one({"choices": None}, yes("stop"), {"choices": None}), "Yes.", "stop"),
    Case("choices of rubbish", one(yes(), {"choices": [None, 3]}, end()), "Yes.", "stop"),
    Case("a delta that is null", one(yes(), {"choices": [{"delta": None, "finish_reason": "stop"}]}), "Yes.", "stop"),
    Case("content in parts", one({"choices": [{"delta": {"content": [{"type": "text", "text": "Yes"}, {"type": "text", "text": "."}]}}]}, end()), "Yes.", "stop"),
    Case("logprobs of rubbish", one({"choices": [{"delta": {"content": "Yes."}, "logprobs": [1]}]}, end()), "Yes.", "stop"),
    Case("an error that is null or empty", one(yes(error=None), end(error={})), "Yes.", "stop"),
    Case("text in place of a delta", one({"choices": [{"text": "Yes.", "finish_reason": "stop"}]}), "Yes.", "stop"),
    Case("fields of its own", one({"choices": [], "prompt_filter_results": [{}]}, yes("stop", id=3)), "Yes.", "stop"),
]  # fmt: skip

FORMS = [
    Case("JSON in one piece", (answer(200, WHOLE, content_type="application/json"),), "Yes.", "stop"),
    Case("JSON in one piece without a reason", (answer(200, {"choices": [{"message": {"content": "Yes."}}]}),), "Yes.", "stop"),
    Case("JSON over many lines", (body(json.dumps(WHOLE, indent=2), "application/json"),), "Yes.", "stop"),
    Case("JSON under a stream's name", (body(json.dumps(WHOLE)),), "Yes.", "stop"),
    Case("JSON after keep-alive lines", (body("\n\n  \n" + json.dumps(WHOLE), "application/json"),), "Yes.", "stop"),
    Case("a stream as text/plain", one(yes(), end(), DONE, kind="text/plain"), "Yes.", "stop"),
    Case("a stream as bytes", one(yes(), end(), DONE, kind="application/octet-stream"), "Yes.", "stop"),
    Case("a stream as JSON", one(yes(), end(), kind="application/json"), "Yes.", "stop"),
    Case("a stream that begins with a mark and a comment", (body("\ufeff: hello\n\n" + sse(yes(), end())),), "Yes.", "stop"),
    Case("a stream without spaces", (body(sse(yes(), end()).replace("data: ", "data:")),), "Yes.", "stop"),
    Case("a stream without empty lines", (body(sse(yes(), end()).replace("\n\n", "\n")),), "Yes.", "stop"),
    Case("a stream with CRLF", (body(sse(yes(), end(), DONE).replace("\n", "\r\n")),), "Yes.", "stop"),
    Case("a packed stream", (body(gzip.compress(sse(yes(), end()).encode()), content_encoding="gzip"),), "Yes.", "stop"),
    Case("JSON lines", (body(f"{json.dumps(yes())}\n{json.dumps(end())}\n", "application/x-ndjson"),), "Yes.", "stop"),
    Case("JSON lines that end without a reason", (body(f"{json.dumps(yes())}\n" * 2, "application/jsonl"),), "Yes.Yes.", error=("remote_failure", "broke off")),
    Case("an error as a success", (answer(200, {"error": "model not found"}),), error=("remote_failure", "model not found")),
    Case("an error as a success, with its status", (answer(200, {"error": {"code": 404, "message": "no model m"}}),), error=("remote_failure", "no model m", "after '#'")),
    Case("an error as an event", (body('event: error\ndata: {"message": "overloaded"}\n\n'),), error=("remote_failure", "overloaded")),
    Case("an error as an event of words", (body("event: error\ndata: overloaded\n\n"),), error=("remote_failure", "overloaded")),
    Case("JSON of something else", (answer(200, {"status": "ok"}),), error=("remote_failure", "OpenAI-compatible", "/v1")),
    Case("a page as a success", (body("<html><head><title>Welcome</title></head>", "text/html"),), error=("remote_failure", "'Welcome'", "/v1")),
    Case("words", (body("hello there", "text/plain"),), error=("remote_failure", "'hello there'")),
    Case("nothing, twice", (body(""), body("")), error=("remote_failure", "OpenAI-compatible", "sent nothing"), requests=2),
]  # fmt: skip

REFUSALS = [
    Case("a page of a gateway", [body("<html><head><title>502 Bad Gateway</title></head><body><h1>x</h1>", "text/html", 502)] * 4, error=("remote_failure", "(HTTP 502): 502 Bad Gateway"), requests=4),
    Case("a page without a title", (body("<html><h1>No &amp; never</h1>", "text/html", 400),), error=("invalid_input", ": No & never")),
    Case("another address", (answer(307, "", location="https://u:hush@example.org/api/chat/completions?k=hush"),), error=("invalid_input", "redirects to https://example.org/api (HTTP 307)", "remote:https://example.org/api")),
    Case("another path", (answer(308, "", location="/v2/chat/completions"),), error=("invalid_input", "/v2 (HTTP 308)")),
    Case("no address", (answer(301, ""),), error=("invalid_input", "HTTP 301")),
    Case("the key, as JSON", (answer(401, {"error": {"message": "bad key sk-secret-0123456789"}}),), error=("remote_failure", "refused the API key", "bad key ***")),
    Case("the key, spaced", (answer(403, "s k - s e c r e t - 0 1 2 3 4 5 6 7 8 9!"),), error=("remote_failure", ": ***!")),
    Case("the key, in halves", (answer(400, "sk-secret and t-0123456789"),), error=("invalid_input", "*** and ***")),
    Case("a wait until a date", (answer(503, "", retry_after="Wed, 21 Oct 2020 07:28:00 GMT"), HELLO), "Hello", "stop", requests=2),
    Case("busy, then not", (answer(429, ""), answer(529, ""), HELLO), "Hello", "stop", requests=3),
    Case("details of FastAPI", (answer(422, {"detail": [{"loc": ["body", "model"], "msg": "Field required", "type": "missing"}]}),), error=("invalid_input", "body.model: Field required")),
]  # fmt: skip

PIECES = 16 * 5 + 64
BOUNDS = [
    Case("text without end", (endless(sse(chunk("x")).encode()),), "x" * PIECES, "length", warns=("did not stop",)),
    Case("chunks without text", (endless(sse(chunk("")).encode()),), "", "length", warns=("did not stop",)),
    Case("comments only", (endless(b": ping\n\n", 0.02),), error=("remote_failure", "kept the connection alive")),
    Case("comments after text", (endless(b": ping\n\n", 0.02, first=sse(yes()).encode()),), "Yes.", error=("remote_failure", "kept the connection alive")),
    Case("a byte now and then", (endless(b" ", 0.02),), error=("remote_failure", "kept the connection alive")),
    Case("a line without end", (endless(b"x" * 65536, first=b"data: "),), error=("remote_failure",)),
    Case("JSON without end", (endless(b" " * 65536, kind="application/json", first=b"{"),), error=("remote_failure", "far more")),
    Case("a packed answer of 64 MB", (body(gzip.compress(b"{" + b" " * 2**26), "application/json", content_encoding="gzip"),), error=("remote_failure", "far more")),
    Case("a packed error of 64 MB", (body(gzip.compress(b"no " * 2**24), "text/plain", 400, content_encoding="gzip"),), error=("invalid_input", "no no")),
    Case("an error without end", (body(b"x" * 2**23, "text/plain", 500),) * 4, error=("remote_failure", "HTTP 500"), requests=4),
    Case("packing that is none", (body(b"no gzip", content_encoding="gzip"),), error=("remote_failure",)),
]  # fmt: skip

CASES = [*FINISHES, *FIELDS, *FORMS, *REFUSALS, *BOUNDS]


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault(case: Case, running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_line, "BACKOFF", (0.0, 0.0, 0.0))
    running.requests.clear()
    engine = running.engine(*case.acts, api_key="sk-secret-0123456789", timeout=1.0)
    request = Request((Message("user", "Fair?"),), Sampling(max_tokens=5))
    events: list[EngineEvent] = []
    error: PlocalError | None = None
    try:
        events.extend(engine.generate([request]))
    except PlocalError as raised:
        error = raised
    done = [event.completion for event in events if isinstance(event, TextDone)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == case.text
    if case.finish is None:
        assert error is not None
        assert not done
        said = f"{error.message} {error.hint}"
        assert error.code == case.error[0]
        assert all(part in said for part in case.error[1:]), said
        assert "hush" not in said
        assert "sk-secret" not in said
    else:
        assert error is None, f"{error}"
        assert (done[0].text, done[0].finish) == (case.text, case.finish)
        assert len(done[0].warnings) == len(case.warns)
        assert all(part in said for part, said in zip(case.warns, done[0].warnings, strict=True))
    assert case.requests in (None, len(running.requests))


def test_every_fault_leaves_the_engine_usable(running: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_line, "BACKOFF", (0.0, 0.0, 0.0))
    request = Request((Message("user", "Fair?"),), Sampling(max_tokens=5))
    with running.engine(timeout=0.5) as engine:
        for case in [*FINISHES, *FORMS]:
            running.acts = [*case.acts]
            with suppress(PlocalError):
                list(engine.generate([request]))
            running.acts = [HELLO]
            assert isinstance(list(engine.generate([request]))[-1], TextDone), case.name
