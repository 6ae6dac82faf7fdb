"""RemoteEngine against a server in this process that does what a test tells it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pluralism_local.api_keys import ApiKey
from pluralism_local.engine import remote_line
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.engine.remote_refusals import Server as Peer
from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    EngineFailure,
    InvalidInput,
    RemoteFailure,
    Unsupported,
)
from pluralism_local.types import (
    AdapterRef,
    EngineEvent,
    Message,
    OptionRequest,
    Request,
    Sampling,
    TextDelta,
    TextDone,
    TextStarted,
    Usage,
)
from tests.support.remote_server import (
    HELLO,
    LETTERS,
    QUESTION,
    Act,
    Server,
    answer,
    chunk,
    only_answer,
    say,
    stream,
    whole,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote_line, "BACKOFF", (0.01, 0.01, 0.01))
    monkeypatch.delenv("PLOCAL_REMOTE_KEY", raising=False)
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_servers_field_of_thoughts_is_kept_apart(server: Server, name: str) -> None:
    def thought(text: str) -> dict[str, object]:
        return {"choices": [{"delta": {name: text, "content": None}}]}

    act = stream(thought("I see "), thought("two."), chunk("Yes"), chunk("."), chunk(finish="stop"), "[DONE]")
    with server.engine(act) as engine:
        completion = only_answer(engine.generate([say("Fair?")]))
    assert (completion.text, completion.thought) == ("Yes.", "I see two.")
    with server.engine(stream(thought("Hm"), chunk(finish="length"), "[DONE]")) as engine:
        completion = only_answer(engine.generate([say("Fair?")]))
    assert (completion.text, completion.thought, completion.finish) == ("", "Hm", "length")


def test_a_block_of_thoughts_in_the_text_is_kept_apart(server: Server) -> None:
    pieces = [chunk(text) for text in ("<th", "ink>I see 2", ".</thi", "nk>\n\n", "1")]
    with server.engine(stream(*pieces, chunk(finish="stop"), "[DONE]")) as engine:
        completion = only_answer(engine.generate([say("Fair?")]))
    assert (completion.text, completion.thought) == ("1", "I see 2.")


def test_the_first_token_of_a_thought_is_no_option(server: Server) -> None:
    reply = whole("", {"A": 0.9, "B": 0.1})
    reply["choices"][0]["message"]["reasoning_content"] = "A"
    with server.engine(answer(200, reply)) as engine, pytest.raises(Unsupported, match="thinks before"):
        engine.distribution([LETTERS])


def test_what_is_sent(server: Server) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=5, seed=11, stop=("\n",))
    messages = (Message("system", "Be brief."), Message("user", "Hi."))
    with server.engine(HELLO, api_key="sk-secret") as engine:
        assert only_answer(engine.generate([Request(messages, sampling)])).text == "Hello"
    assert server.requests == [
        {
            "path": "/v1/chat/completions",
            "authorization": "Bearer sk-secret",
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 5,
            "seed": 11,
            "stop": ["\n"],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_usage_is_the_servers_where_it_gives_it_else_counted(server: Server) -> None:
    counts = {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    told = stream(chunk("a"), chunk("b"), chunk(finish="length"), {"choices": [], "usage": counts}, "[DONE]")
    first, second = (
        event.completion
        for event in server.engine(told, HELLO).generate([say("1"), say("2")])
        if isinstance(event, TextDone)
    )
    assert first.usage == Usage(prompt=9, reused=3, completion=4)
    assert first.finish == "length"
    assert second.usage == Usage(completion=2)


def test_a_server_without_stream_options_is_asked_without(server: Server) -> None:
    engine = server.engine(answer(400, {"error": {"message": "unknown field stream_options"}}), HELLO, HELLO)
    assert len(list(engine.generate([say("1"), say("2")]))) == 8
    assert ["stream_options" in request for request in server.requests] == [True, False, False]


def test_failures_are_retried(server: Server) -> None:
    engine = server.engine(answer(500, "oops"), answer(429, "", retry_after="0"), HELLO)
    assert only_answer(engine.generate([say("Hi")])).text == "Hello"
    assert len(server.requests) == 3


def test_after_three_retries_it_is_a_failure(server: Server) -> None:
    engine = server.engine(*[answer(503, {"error": {"message": "busy"}})] * 4)
    with pytest.raises(RemoteFailure, match=r"HTTP 503\): busy"):
        list(engine.generate([say("Hi")]))
    assert len(server.requests) == 4


def test_a_hang_up_is_tried_again(server: Server) -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    assert only_answer(server.engine(hang_up, HELLO).generate([say("Hi")])).text == "Hello"
    with pytest.raises(RemoteFailure, match="disconnected"):
        list(server.engine(*[hang_up] * 4).generate([say("Hi")]))


def test_an_empty_stream_is_asked_again_in_one_piece(server: Server) -> None:
    complaint = "maximum context length is 10 tokens. However, you requested 12 tokens"
    engine = server.engine(stream(), answer(400, {"error": {"message": complaint}}))
    with pytest.raises(ContextOverflow):
        list(engine.generate([say("Hi")]))
    assert "stream" not in server.requests[1]
    assert (
        only_answer(server.engine(stream(), answer(200, whole("Well."))).generate([say("Hi")])).text
        == "Well."
    )


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "another api_key"), (403, "another api_key"), (404, "/v1")]
)
def test_refusals_are_not_retried_and_never_show_the_key(server: Server, status: int, hint: str) -> None:
    engine = server.engine(answer(status, "no sk-secret here"), api_key="sk-secret")
    with pytest.raises(RemoteFailure, match=server.address) as caught:
        list(engine.generate([say("Hi")]))
    assert hint in caught.value.hint
    assert "sk-secret" not in caught.value.message
    assert len(server.requests) == 1


def test_a_refused_key_is_mended_where_it_is_from(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def hint(url: str, **options: Any) -> str:
        server.acts = [answer(401, "no")]
        with pytest.raises(RemoteFailure) as caught:
            list(RemoteEngine(url, "m", **options).generate([say("Hi")]))
        return caught.value.hint

    url = f"http://{server.address}/v1"
    assert hint(url).startswith(f"Give it with plocal keys set {url}, or set PLOCAL_REMOTE_KEY")
    assert hint(url, api_key=ApiKey("sk-1", "Ask pass.")) == "Ask pass."
    assert "password in the URL" in hint(f"http://ann:hush@{server.address}/v1")
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-general")
    assert "Set PLOCAL_REMOTE_KEY to a valid key" in hint(url)


def test_credentials_in_the_url_are_sent_and_not_shown(server: Server) -> None:
    server.acts = [answer(500, "no")] * 4
    engine = RemoteEngine(f"http://ann:hush@{server.address}/v1", "m")
    with pytest.raises(RemoteFailure) as caught:
        list(engine.generate([say("Hi")]))
    assert server.requests[0]["authorization"] == "Basic YW5uOmh1c2g="
    assert "hush" not in caught.value.message + str(engine.info)


@pytest.mark.parametrize(
    "act",
    [
        stream(chunk("Hel")),
        stream(chunk("Hel"), '{"choices": [{"del'),
        stream(chunk("Hel"), {"error": {"message": "out of memory"}}),
        answer(200, "<html>welcome</html>", content_type="text/html"),
        answer(200, "0123", content_type="text/event-stream", content_length="99"),
    ],
    ids=["cut", "bad JSON", "error inside", "no stream", "short body"],
)
def test_a_broken_answer_is_a_failure_and_not_an_answer(server: Server, act: Act) -> None:
    engine = server.engine(act)
    events: list[EngineEvent] = []
    with pytest.raises(RemoteFailure) as caught:
        events.extend(engine.generate([say("Hi")]))
    assert caught.value.hint
    assert not any(isinstance(event, TextDone) for event in events)
    server.acts = [HELLO]
    assert only_answer(engine.generate([say("Hi")])).text == "Hello"


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(RemoteFailure, match=address):
        list(RemoteEngine(f"http://{address}", "m").generate([say("Hi")]))
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    with pytest.raises(RemoteFailure, match=r"no-such-host\.invalid"):
        list(RemoteEngine("http://no-such-host.invalid", "m").generate([say("Hi")]))


def test_a_proxy_is_not_asked_for_a_server_on_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert only_answer(server.engine(HELLO).generate([say("Hi")])).text == "Hello"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
            "SSL_CERT_FILE",
        ),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "http://"),
    ],
)
def test_a_connection_that_is_not_secure_says_what_to_do(said: str, hint: str) -> None:
    error = remote_line.failure(httpx2.ConnectError(said), Peer("https://host/v1"))
    assert "no secure connection" in error.message
    assert hint in error.hint


def test_silence_times_out(server: Server) -> None:
    engine = server.engine(stream(before=server.release.wait), timeout=0.2)
    with pytest.raises(RemoteFailure, match="silent"):
        list(engine.generate([say("Hi")]))


@pytest.mark.parametrize("headers_first", [True, False])
def test_should_stop_is_heard_while_the_server_is_silent(server: Server, headers_first: bool) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        server.release.wait()
        handler.close_connection = True

    engine = server.engine(stream(before=server.release.wait) if headers_first else hang)
    began = time.perf_counter()
    events = list(
        engine.generate([say("1"), say("2")], should_stop=lambda: time.perf_counter() > began + 0.3)
    )
    assert 0.3 <= time.perf_counter() - began < 30  # the engine's own patience ends after 120
    assert [type(event) for event in events] == [TextStarted, TextDone] * 2
    assert all(e.completion.finish == "cancelled" for e in events if isinstance(e, TextDone))
    assert len(server.requests) == 1


def test_stopping_a_distribution_cancels(server: Server) -> None:
    engine = server.engine(stream(before=server.release.wait))
    with pytest.raises(Cancelled):
        engine.distribution([LETTERS], should_stop=lambda: bool(server.requests))


def test_closing_the_iterator_closes_the_connection(server: Server) -> None:
    closed = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        try:
            stream(*[chunk("x")] * 100_000)(handler)
        except OSError:
            closed.set()
            handler.close_connection = True

    engine = server.engine(trickle)
    events = engine.generate([say("Hi")])
    assert isinstance(next(events), TextStarted)
    assert isinstance(next(events), TextDelta)
    events.close()  # type: ignore[attr-defined]
    assert closed.wait(60)
    server.acts = [HELLO]
    assert only_answer(engine.generate([say("Hi")])).text == "Hello"


def test_the_only_model_is_taken(server: Server) -> None:
    engine = server.engine(answer(200, {"data": [{"id": "tiny"}]}), HELLO, model=None)
    assert engine.info.id == f"remote:http://{server.address}/v1#tiny"
    assert engine.info.backend == "remote"
    list(engine.generate([say("Hi")]))
    assert [request["path"] for request in server.requests] == ["/v1/models", "/v1/chat/completions"]
    assert server.requests[1]["model"] == "tiny"


def test_of_several_models_the_user_must_choose(server: Server) -> None:
    engine = server.engine(answer(200, {"data": [{"id": "a"}, {"id": "b"}]}), model=None)
    with pytest.raises(InvalidInput, match="a, b") as caught:
        list(engine.generate([say("Hi")]))
    assert "#model" in caught.value.hint


def test_from_spec_and_the_key_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-env\n")
    server.acts = [HELLO]
    engine = RemoteEngine.from_spec(f"remote:http://{server.address}#org/name")
    assert engine.info.id == f"remote:http://{server.address}/v1#org/name"
    list(engine.generate([say("Hi")]))
    assert server.requests[0]["authorization"] == "Bearer sk-env"


def test_distribution(server: Server) -> None:
    engine = server.engine(answer(200, whole("A", {"A": 0.6, "B": 0.3, "The": 0.1})))
    (found,) = engine.distribution([LETTERS])
    assert found.p == pytest.approx((2 / 3, 1 / 3))
    sent = server.requests[0]
    assert (sent["max_tokens"], sent["logprobs"], sent["top_logprobs"], sent["temperature"]) == (
        1,
        True,
        20,
        1,
    )


def test_an_answer_that_ends_at_once_is_drawn_again(server: Server) -> None:
    acts = [answer(200, whole("", {})), answer(200, whole("", {})), answer(200, whole("B", {"B": 0.9}))]
    (found,) = server.engine(*acts).distribution([LETTERS])
    assert found.bounds[1][0] == pytest.approx(0.9)
    assert [request["seed"] for request in server.requests] == [0, 1, 2]


@pytest.mark.parametrize(
    "act",
    [
        answer(200, whole("A")),
        answer(
            500, {"error": {"message": "logprobs is not supported for models created with logits_all=False"}}
        ),
        answer(400, {"error": {"message": "Unknown parameter: 'top_logprobs'"}}),
    ],
)
def test_a_server_without_logprobs_is_refused_clearly(server: Server, act: Act) -> None:
    with pytest.raises(Unsupported, match="no token probabilities") as caught:
        server.engine(act).distribution([LETTERS])
    assert "--logits_all" in caught.value.hint
    assert len(server.requests) == 1


def test_what_it_cannot_do_is_refused_before_anything_is_sent(server: Server) -> None:
    engine = server.engine()
    adapter = AdapterRef(Path("a.gguf"), "0" * 64)
    with pytest.raises(Unsupported, match="adapter"):
        list(engine.generate([Request(QUESTION, adapter=adapter)]))
    with pytest.raises(Unsupported, match="adapter"):
        engine.distribution([OptionRequest(QUESTION, ("A", "B"), adapter)])
    with pytest.raises(Unsupported, match="'Strongly agree'"):
        engine.distribution([OptionRequest(QUESTION, ("Strongly agree", "Neither"))])
    assert not engine.capabilities.adapters
    assert engine.count_tokens(QUESTION) is None
    assert server.requests == []


def test_a_closed_engine_says_so(server: Server) -> None:
    engine = server.engine()
    engine.close()
    engine.close()
    with pytest.raises(EngineFailure):
        list(engine.generate([say("Hi")]))
