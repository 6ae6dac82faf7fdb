"""A server that refuses fields is asked as it wants to be, once learned for good; and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from pluralism_local.engine import remote_line
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.errors import InvalidInput, PlocalError, RemoteFailure, Unsupported
from pluralism_local.types import Completion, Message, Request, Sampling, TextDone
from tests.support.remote_server import (
    HELLO,
    LETTERS,
    Act,
    Server,
    answer,
    chunk,
    only_answer,
    say,
    stream,
    whole,
)

WEIGHED = whole("A", {"A": 0.6, "B": 0.3})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote_line, "BACKOFF", (0.0, 0.0, 0.0))
    monkeypatch.delenv("PLOCAL_REMOTE_KEY", raising=False)
    running = Server()
    yield running
    running.close()


def no(sentence: str, status: int = 400, **more: Any) -> Act:
    return answer(status, {"error": {"message": sentence, **more}})


def completions(engine: RemoteEngine, requests: Sequence[Request]) -> list[Completion]:
    return [event.completion for event in engine.generate(requests) if isinstance(event, TextDone)]


def test_a_model_that_takes_almost_nothing_can_be_used_and_is_not_asked_twice(server: Server) -> None:
    engine = server.engine(
        no("Unsupported parameter: 'max_tokens' … Use 'max_completion_tokens' instead.", param="max_tokens"),
        no("Unsupported value: 'temperature' does not support 0.0 with this model.", param="temperature"),
        no("Unrecognized request argument supplied: seed", status=422),
        *[HELLO] * 3,
    )
    first, second = completions(engine, [say("1"), say("2")])
    (third,) = completions(engine, [say("3")])
    assert (first.text, second.text, third.text) == ("Hello",) * 3
    assert len(server.requests) == 6
    assert all("max_completion_tokens" in request for request in server.requests[3:])
    assert not any({"max_tokens", "temperature", "seed"} & set(request) for request in server.requests[3:])
    for told in (first, second, third):
        assert [word for word in ("temperature 0", "seed") if word in " ".join(told.warnings)] == [
            "temperature 0",
            "seed",
        ]
        assert len(told.warnings) == 2


def test_what_was_wrongly_suspected_is_sent_again(server: Server) -> None:
    engine = server.engine(no("temperature must be a number"), no("The prompt is not allowed."), HELLO)
    with pytest.raises(InvalidInput, match="prompt is not allowed"):
        completions(engine, [say("1")])
    assert completions(engine, [say("2")])[0].warnings == ()
    assert server.requests[2]["temperature"] == 0


def test_a_server_that_refuses_everything_is_given_up(server: Server) -> None:
    names = [
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "seed",
        "stream_options",
        "stream",
    ]
    server.acts = [no(f"Unsupported parameter: '{name}'", param=name) for name in names]
    server.acts.append(no("Unsupported parameter: 'model'", param="model"))
    with pytest.raises(InvalidInput, match="'model'"):
        list(RemoteEngine(f"http://{server.address}", "m").generate([say("1")]))
    assert len(server.requests) == len(names) + 1
    assert set(server.requests[-1]) - {"path", "authorization"} == {"model", "messages"}


def test_a_server_that_does_not_stream_is_asked_in_one_piece(server: Server) -> None:
    engine = server.engine(no("Streaming is not supported.", param="stream"), answer(200, whole("Yes.")))
    (told,) = completions(engine, [say("1")])
    assert (told.text, told.finish, told.warnings) == ("Yes.", "length", ())


def test_stop_texts_that_the_server_does_not_take_end_the_answer_here(server: Server) -> None:
    said = stream(chunk("One."), chunk("E"), chunk("ND two."), chunk(finish="stop"), "[DONE]")
    engine = server.engine(no("'stop' is not supported with this model.", param="stop"), said)
    told = only_answer(engine.generate([say("1", stop=("END",))]))
    assert (told.text, told.finish, told.warnings) == ("One.", "stop", ())


def test_a_system_message_is_folded_into_the_question_and_stays_so(server: Server) -> None:
    messages = (Message("system", "Be brief."), Message("user", "Hi."))
    engine = server.engine(no("System role not supported", status=500), HELLO, HELLO)
    assert [told.text for told in completions(engine, [Request(messages)] * 2)] == ["Hello"] * 2
    folded = [{"role": "user", "content": "Be brief.\n\nHi."}]
    assert [request["messages"] for request in server.requests[1:]] == [folded] * 2


def test_a_limit_on_alternatives_is_taken_and_remembered(server: Server) -> None:
    engine = server.engine(no("top_logprobs must be at most 5"), *[answer(200, WEIGHED)] * 2)
    assert [found.method for found in engine.distribution([LETTERS] * 2)] == ["top_logprobs"] * 2
    assert [request["top_logprobs"] for request in server.requests] == [20, 5, 5]


def test_weighing_learns_what_generating_learned(server: Server) -> None:
    engine = server.engine(
        no("Use 'max_completion_tokens'.", param="max_tokens"), HELLO, answer(200, WEIGHED)
    )
    completions(engine, [say("1")])
    engine.distribution([LETTERS])
    assert server.requests[2]["max_completion_tokens"] == 1


def test_why_there_are_no_probabilities_is_told_as_the_server_says_it(server: Server) -> None:
    with pytest.raises(Unsupported, match="not for this model, sorry"):
        server.engine(no("logprobs: not for this model, sorry")).distribution([LETTERS])
    with pytest.raises(PlocalError, match="busy with logprobs") as caught:
        server.engine(*[no("busy with logprobs", status=503)] * 4).distribution([LETTERS])
    assert caught.value.code == "remote_failure"


def test_a_key_over_an_open_line_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://{server.address}")
    monkeypatch.setenv("no_proxy", "")
    server.acts = [HELLO, answer(200, WEIGHED), HELLO, HELLO]
    open_line = RemoteEngine("http://server.example/v1", "m", api_key="sk-secret")
    assert "unencrypted" in completions(open_line, [say("1")])[0].warnings[0]
    assert "unencrypted" in open_line.distribution([LETTERS])[0].warnings[0]
    without_key = RemoteEngine("http://server.example/v1", "m", api_key="")
    assert completions(without_key, [say("1")])[0].warnings == ()
    here = RemoteEngine(f"http://{server.address}/v1", "m", api_key="sk-secret")
    assert completions(here, [say("1")])[0].warnings == ()


@pytest.mark.parametrize(
    "echo", ["Basic {header}", "{header}", "{password}", "user ann {password} no", "{spaced}"]
)
def test_credentials_of_the_url_are_not_echoed(server: Server, echo: str) -> None:
    secrets = {
        "header": "YW5uOmh1c2gtNDI=",
        "password": "hush-42",
        "spaced": "YW5u Omh1c2gtNDI=",
    }
    server.acts = [answer(400, {"error": echo.format(**secrets)})]
    engine = RemoteEngine(f"http://ann:hush-42@{server.address}/v1", "m")
    with pytest.raises(InvalidInput) as caught:
        list(engine.generate([say("Hi")]))
    assert server.requests[0]["authorization"] == "Basic YW5uOmh1c2gtNDI="
    assert "***" in caught.value.message
    assert not [part for part in ("hush", "YW5u", "c2gtNDI") if part in caught.value.message]


def test_sampling_that_is_respected_is_not_warned_of(server: Server) -> None:
    engine = server.engine(no("unknown field stream_options"), HELLO)
    request = Request((Message("user", "Hi."),), Sampling(temperature=0.7))
    assert completions(engine, [request])[0].warnings == ()


def test_a_bare_list_of_models_is_read_and_a_name_is_taken_as_it_is(server: Server) -> None:
    engine = server.engine(answer(200, [{"id": "EMPTY model"}]), model=None, api_key="EMPTY")
    assert engine.info.id.endswith("#EMPTY model")
    server.acts = [answer(200, [{"id": "a"}, {"name": "x"}, {"id": "b"}])]
    with pytest.raises(InvalidInput, match="several models: a, b"):
        _ = RemoteEngine(f"http://{server.address}").info


def test_chunks_that_repeat_the_whole_message_are_no_end(server: Server) -> None:
    both = {"choices": [{"delta": {"content": "Yes."}, "message": {"content": "Yes."}}]}
    with pytest.raises(RemoteFailure, match="broke off"):
        completions(server.engine(stream(both)), [say("1")])


@pytest.mark.parametrize(
    "act", [answer, lambda status, error: stream(error)], ids=["in one piece", "as an event"]
)
def test_a_refusal_that_is_called_a_success_is_learned_from_too(
    server: Server, act: Callable[[int, object], Act]
) -> None:
    complaint = {"error": {"message": "Unsupported parameter: 'seed'", "code": 400}}
    engine = server.engine(act(200, complaint), HELLO, HELLO)
    assert [told.text for told in completions(engine, [say("1"), say("2")])] == ["Hello"] * 2
    assert ["seed" in request for request in server.requests] == [True, False, False]
    server.acts = [act(200, {"error": "something else"})]
    with pytest.raises(RemoteFailure, match="something else"):
        completions(engine, [say("3")])


def test_weighing_learns_from_errors_that_are_called_a_success(server: Server) -> None:
    engine = server.engine(answer(200, {"error": "top_logprobs must be at most 5"}), answer(200, WEIGHED))
    assert engine.distribution([LETTERS])[0].method == "top_logprobs"
    assert server.requests[1]["top_logprobs"] == 5
    server.acts = [answer(200, {"error": "logprobs are not supported"})]
    with pytest.raises(Unsupported, match="not supported"):
        engine.distribution([LETTERS])


def test_a_model_that_ends_at_once_is_not_called_one_without_probabilities(server: Server) -> None:
    with pytest.raises(Unsupported, match="before the first token"):
        server.engine(*[answer(200, whole("", {}))] * 3).distribution([LETTERS])
    assert [request["seed"] for request in server.requests] == [0, 1, 2]


def test_an_answer_in_chunks_far_too_long_is_left(server: Server) -> None:
    engine = server.engine(stream(*[chunk("w" * 10_000)] * 90, "[DONE]"))
    (told,) = completions(engine, [say("1", max_tokens=5)])
    assert len(told.text) == 20_000
    assert (told.finish, len(told.warnings)) == ("length", 1)
