"""The server by its sockets: what is offered, asked and refused."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.serve import app
from pluralism_local.serve.app import ServerLimits
from tests.support.api_server import Answered, Served, served

YES_NO = {"options": ["Yes", "No"]}


def scripted(tmp_path: Path, **script: Any) -> ScriptedEngine:
    file = tmp_path / "script.json"
    file.write_text(json.dumps(script))
    return ScriptedEngine(file)


class Slow(ScriptedEngine):
    """Waits before its first text until `go` is set, or it is told to stop; `began` and `stopped` say so."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go, self.stopped = threading.Event(), threading.Event(), threading.Event()

    def generate(self, requests: Any, *, should_stop: Any = lambda: False) -> Iterator[Any]:
        self.began.set()
        while not self.go.wait(0.01):
            if should_stop():
                self.stopped.set()
                break
        yield from super().generate(requests, should_stop=should_stop)


def test_every_mode_and_every_pool_is_a_model(server: Served) -> None:
    listed = server.request("GET", "/v1/models").json()
    names = [model["id"] for model in listed["data"]]
    assert listed["object"] == "list"
    assert {"overton", "overton:village", "steerable:coast", "vanilla"} <= set(names)
    assert "vanilla:village" not in names
    assert server.request("GET", "/v1/models/overton:coast").json()["id"] == "overton:coast"
    missing = server.request("GET", "/v1/models/overtone")
    assert (missing.status, "Did you mean 'overton'" in missing.json()["error"]["message"]) == (404, True)
    assert server.request("GET", "/health").json() == {"status": "ok", "answering": False, "waiting": 0}


def test_an_answer_carries_the_comments_beside_it(server: Served) -> None:
    reply = server.chat("Is tipping fair?").json()
    choice, plural = reply["choices"][0], reply["plural"]
    assert (reply["object"], reply["model"], choice["message"]["role"]) == (
        "chat.completion",
        "overton",
        "assistant",
    )
    assert choice["message"]["content"]
    assert [comment["community"] for comment in plural["comments"]] == ["farmers", "fishers", "millers"]
    assert (plural["schema"], plural["pool"], plural["complete"]) == ("plocal.result/1", "village", True)
    counts = reply["usage"]
    apart = plural["usage"].values()
    assert counts["completion_tokens"] == sum(usage["completion"] for usage in apart) > 0
    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"]
    assert server.chat("Is tipping fair?", "overton:coast").json()["plural"]["pool"] == "coast"


def test_a_stream_says_the_same_as_the_whole_answer(server: Served) -> None:
    whole = server.chat("Is tipping fair?").json()
    streamed = server.chat("Is tipping fair?", stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *chunks, counts, done = streamed.events()
    assert done == "[DONE]" and counts["choices"] == []
    assert counts["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text.strip() == whole["choices"][0]["message"]["content"]
    beside = [chunk["plural"] for chunk in chunks if "plural" in chunk]
    commented = [plural["comment"]["community"] for plural in beside if plural.get("event") == "comment"]
    assert sorted(commented) == ["farmers", "fishers", "millers"]
    last = chunks[-1]
    assert (last["choices"][0]["finish_reason"], last["plural"]["mode"]) == (
        whole["choices"][0]["finish_reason"],
        "overton",
    )
    assert len({chunk["id"] for chunk in [*chunks, counts]}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_options_are_weighed_and_their_probabilities_are_logprobs(server: Served, stream: bool) -> None:
    fields = {"plural": YES_NO, "logprobs": True, "top_logprobs": 5, "stream": stream}
    answered = server.chat("Ban phones?", "distributional", **fields)
    if stream:
        chunks = answered.events()[:-1]
        choice = next(chunk["choices"][0] for chunk in chunks if chunk["choices"][0].get("logprobs"))
        content, plural = choice["delta"]["content"], chunks[-1]["plural"]
    else:
        choice, plural = answered.json()["choices"][0], answered.json()["plural"]
        content = choice["message"]["content"]
    weighed = plural["distribution"]
    first = choice["logprobs"]["content"][0]
    assert content == first["token"] in ("Yes", "No")
    assert {
        top["token"]: pytest.approx(2.718281828459045 ** top["logprob"]) for top in first["top_logprobs"]
    } == dict(zip(weighed["options"], weighed["p"], strict=True))
    assert set(weighed["per_community"]) == {"farmers", "fishers", "millers"}


def test_options_of_the_question_are_weighed_by_their_letters(server: Served) -> None:
    reply = server.chat("Ban phones?\nA. Yes\nB. No", "distributional", logprobs=True, top_logprobs=1).json()
    content, tokens = reply["choices"][0]["message"]["content"], reply["choices"][0]["logprobs"]["content"]
    assert content in ("A. Yes", "B. No")
    assert "".join(token["token"] for token in tokens) == content
    assert [top["token"] for top in tokens[0]["top_logprobs"]] == [content[0]]
    assert server.chat("Ban phones?", "vanilla").json()["choices"][0]["logprobs"] is None


@pytest.mark.parametrize("name", ["vanilla", "prompting", "moe", "steerable"])
def test_a_mode_that_can_do_without_options_weighs_those_whose_log_probabilities_are_asked_for(
    server: Served, name: str
) -> None:
    steered = {"plural": {"attribute": "farmers"}} if name == "steerable" else {}
    fields = {"logprobs": True, "top_logprobs": 2, "max_tokens": 1, **steered}
    reply = server.chat("Ban phones?\nA. Yes\nB. No\nAnswer:", name, **fields).json()
    choice, weighed = reply["choices"][0], reply["plural"]["distribution"]
    tops = choice["logprobs"]["content"][0]["top_logprobs"]
    assert {top["token"] for top in tops} == {"A", "B"} and weighed["options"] == ["Yes", "No"]
    assert choice["message"]["content"] in ("A. Yes", "B. No")
    numbered = server.chat("Ban phones?\n1. Yes\n2. No\nAnswer:", name, **fields).json()
    assert numbered["choices"][0]["logprobs"] is None and numbered["plural"]["distribution"] is None
    assert "Log-probabilities are of options; this is answered in words." in numbered["plural"]["warnings"]


def test_steerable_is_told_whom_to_reflect_by_a_field_or_a_line(server: Served) -> None:
    by_field = server.chat("Is hunting wrong?", "steerable", plural={"attribute": "rural voters"}).json()
    by_line = server.chat("attribute: rural voters\nIs hunting wrong?", "steerable").json()
    assert by_field["plural"]["attribute"] == by_line["plural"]["attribute"] == "rural voters"
    assert by_field["plural"]["selection"] == by_line["plural"]["selection"] is not None
    refused = server.chat("Is hunting wrong?", "steerable")
    assert (refused.status, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert "attribute" in refused.json()["error"]["message"]


def test_communities_may_be_chosen_and_never_by_a_path(server: Served) -> None:
    reply = server.chat("Fair?", plural={"communities": ["millers", "farmers"]}).json()
    assert [comment["community"] for comment in reply["plural"]["comments"]] == ["millers", "farmers"]
    assert server.chat("Fair?", plural={"communities": ["nobody"]}).status == 404
    assert server.chat("Fair?", "overton:/etc/passwd").status == 404


def test_a_follow_up_goes_on_from_what_every_voice_said(village: Path) -> None:
    with ScriptedEngine(record=True) as engine, served(engine) as server:
        first = server.chat("Is tipping fair?").json()["choices"][0]["message"]["content"]
        calls = len(engine.calls)
        follow_up = [
            {"role": "user", "content": "Is tipping fair?"},
            {"role": "assistant", "content": f" {first}\n"},
            {"role": "user", "content": "And for waiters?"},
        ]
        body = {"model": "overton", "messages": follow_up}
        assert server.request("POST", "/v1/chat/completions", body).status == 200
        comments = engine.calls[calls].requests
        spoken = [[message.content for message in request.messages] for request in comments]
        assert all("And for waiters?" in texts[-1] for texts in spoken)
        own = engine.calls[0].requests
        assert [texts[1] for texts in spoken] == [request.messages[-1].content for request in own]
        assert len({texts[2] for texts in spoken}) == 3  # each its own comment, and not the answer
        follow_up[1]["content"] = "Something else."
        assert server.request("POST", "/v1/chat/completions", body).status == 200
        *_, last = [call for call in engine.calls if len(call.requests) == 3]
        assert {request.messages[2].content for request in last.requests} == {"Something else."}


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(village: Path) -> None:
    with served(ScriptedEngine(context=200)) as server:
        for stream in (False, True):
            refused = server.chat("why " * 300, "vanilla", stream=stream)
            error = refused.json()["error"]
            assert (refused.status, error["code"]) == (400, "context_length_exceeded")
            assert "200" in error["message"] and "requested 3" in error["message"]
        assert server.chat("Why?", "vanilla").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/v1/chat/completions", b"{", {}, 400),
        ("POST", "/v1/chat/completions", b"{}", {"content_type": "text/plain"}, 415),
        ("POST", "/v1/chat/completions", b"{}", {"content_encoding": "gzip"}, 415),
        ("POST", "/v1/chat/completions", b"x" * 3000, {}, 413),
        ("GET", "/v1/chat/completions", None, {}, 405),
        ("POST", "/v1/completions", b"{}", {}, 404),
        ("GET", "/", None, {}, 404),
        ("GET", "/v1/models", None, {"host": "evil.example.org"}, 403),
        ("GET", "/v1/models", None, {"origin": "https://evil.example.org"}, 403),
        ("GET", "/v1/models", None, {"origin": "null"}, 403),
    ],
)
def test_what_is_refused_has_openais_shape(
    village: Path, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    with served(limits=ServerLimits(body=2000)) as server:
        refused = server.request(method, path, body, **headers)
        error = refused.json()["error"]
        assert refused.status == status
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"].endswith(".")


def test_a_slash_at_the_end_of_a_path_changes_nothing(village: Path) -> None:
    with served(token="kT3vXq9Lw2_mZr8B") as server:
        key = {"authorization": "Bearer kT3vXq9Lw2_mZr8B"}
        for path in ("/v1/models", "/v1/models/overton", "/v1/models/overton:coast"):
            plain, slashed = (server.request("GET", each, **key) for each in (path, f"{path}/"))
            assert (plain.status, slashed.status) == (200, 200) and plain.body == slashed.body
        body = {"model": "vanilla", "messages": [{"role": "user", "content": "Fair?"}]}
        asked = server.request("POST", "/v1/chat/completions/", body, **key)
        assert asked.status == 200 and asked.json()["choices"][0]["message"]["content"]
        assert server.request("GET", "/health/").json()["status"] == "ok"
        assert server.request("GET", "/v1/models/").status == 401
        for path in ("/", "//", "/v1/", "/v1/models/overtone/"):
            assert server.request("GET", path, **key).status == 404


def test_a_stream_is_never_silent_for_long(village: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dripping(ScriptedEngine):
        """Takes a while for every word of the comments, of which a client is told nothing."""

        def generate(self, requests: Any, *, should_stop: Any = lambda: False) -> Iterator[Any]:
            for event in super().generate(requests, should_stop=should_stop):
                if len(requests) > 1:
                    time.sleep(0.02)
                yield event

    monkeypatch.setattr(app, "ALIVE_SECONDS", 0.01)
    with served(Dripping()) as server:
        reply = server.chat("Is tipping fair?", stream=True)
    assert reply.body.count(b": still at it") >= 3 and reply.events()[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", {"POST"}),
        ("PUT", "/v1/chat/completions", {"POST"}),
        ("POST", "/v1/models", {"GET", "HEAD"}),
        ("DELETE", "/v1/models/overton", {"GET", "HEAD"}),
        ("POST", "/health", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    village: Path, method: str, path: str, allowed: set[str]
) -> None:
    with served() as server:
        refused = server.request(method, path)
        assert refused.status == 405 and set(refused.headers["allow"].split(", ")) == allowed
        right = "POST" if allowed == {"POST"} else "GET"
        sentence = f"{path} is asked with {right}, not with {method}."
        assert refused.json()["error"]["message"] == sentence


def test_a_mode_that_lacks_its_attribute_says_how_a_request_gives_it(village: Path) -> None:
    with served() as server:
        for stream in (False, True):
            refused = server.chat("Fair?", "steerable", stream=stream)
            assert refused.status == 400
            message = refused.json()["error"]["message"]
            assert "'attribute: …'" in message and "--attribute" not in message


def test_a_token_is_asked_for_but_for_health(village: Path) -> None:
    token = "kT3vXq9Lw2_mZr8B"
    with served(token=token) as server:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {token}"}):
            refused = server.request("GET", "/v1/models", **headers)
            assert (refused.status, refused.json()["error"]["code"]) == (401, "invalid_api_key")
            assert token not in refused.body.decode()
        assert server.request("GET", "/v1/models", authorization=f"Bearer {token}").status == 200
        assert server.request("GET", "/health").status == 200


def test_a_page_that_was_allowed_may_ask_and_reads_why_it_is_refused(village: Path) -> None:
    page, other, token = "http://localhost:3000", "http://localhost:3001", "kT3vXq9Lw2_mZr8B"
    key = f"Bearer {token}"
    with served(origins=(page,), token=token) as server:

        def readable(answered: Answered) -> bool:
            return answered.headers.get("access-control-allow-origin") == page

        for origin in (page, other):  # a browser asks first, and without the key
            ahead = server.request(
                "OPTIONS", "/v1/chat/completions", origin=origin, access_control_request_method="POST"
            )
            assert (ahead.status == 200, readable(ahead)) == (origin == page, origin == page)
        assert readable(server.request("GET", "/v1/models", origin=page, authorization=key))
        for refused, status in (
            (server.request("GET", "/v1/models", origin=page), 401),
            (server.request("GET", "/v1/models", origin=page, authorization=key, host="evil.example"), 403),
            (server.request("GET", "/v1/nothing", origin=page, authorization=key), 404),
            (server.request("POST", "/v1/chat/completions", b"{", origin=page, authorization=key), 400),
        ):
            assert (refused.status, readable(refused)) == (status, True)
            assert refused.json()["error"]["message"]
        elsewhere = server.request("GET", "/v1/models", origin=other, authorization=key)
        assert (elsewhere.status, readable(elsewhere)) == (403, False)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_its_generation(village: Path, stream: bool) -> None:
    engine = Slow()
    with served(engine) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        body = {"model": "vanilla", "messages": [{"role": "user", "content": "Fair?"}], "stream": stream}
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"}
        )
        assert engine.began.wait(60)
        connection.close()
        assert engine.stopped.wait(60)
        engine.go.set()
        assert server.chat("Fair?", "vanilla").status == 200


def test_a_full_queue_says_when_to_come_again(village: Path) -> None:
    engine = Slow()
    with served(engine, limits=ServerLimits(waiting=2)) as server:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(server.chat("Fair?", "vanilla").status))
            for _ in range(3)
        ]
        threads[0].start()
        assert engine.began.wait(60)
        for thread in threads[1:]:
            thread.start()
        while server.request("GET", "/health").json()["waiting"] < 2:
            time.sleep(0.01)
        refused = server.chat("Fair?", "vanilla")
        assert (refused.status, refused.headers["retry-after"]) == (429, "5")
        assert refused.json()["error"]["code"] == "queue_full"
        engine.go.set()
        for thread in threads:
            thread.join(20)
        assert statuses == [200, 200, 200]


def test_users_of_one_address_take_turns_whatever_connections_they_come_by(
    village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, order = Slow(), list[str]()
    generate = engine.generate

    def noting(requests: Any, *, should_stop: Any = lambda: False) -> Iterator[Any]:
        order.append(requests[0].messages[-1].content)
        yield from generate(requests, should_stop=should_stop)

    monkeypatch.setattr(engine, "generate", noting)
    with served(engine) as server:
        threads = [
            threading.Thread(target=server.chat, args=(question, "vanilla"), kwargs={"user": user})
            for question, user in (
                ("Running?", None),
                ("First?", "one"),
                ("Second?", "one"),
                ("Other?", "other"),
            )
        ]
        threads[0].start()
        assert engine.began.wait(60)
        for waiting, thread in enumerate(threads[1:], start=1):
            thread.start()
            while server.request("GET", "/health").json()["waiting"] < waiting:
                time.sleep(0.01)
        engine.go.set()
        for thread in threads:
            thread.join(20)
    assert order == ["Running?", "First?", "Other?", "Second?"]


def test_an_end_turns_those_who_wait_away_and_lets_the_running_one_finish(village: Path) -> None:
    engine = Slow()
    with served(engine) as server:
        replies: dict[str, Any] = {}

        def ask(name: str) -> None:
            replies[name] = server.chat("Fair?", "vanilla")

        running, waiting = (threading.Thread(target=ask, args=(name,)) for name in ("running", "waiting"))
        running.start()
        assert engine.began.wait(60)
        waiting.start()
        while server.request("GET", "/health").json()["waiting"] < 1:
            time.sleep(0.01)
        server.api.close()
        waiting.join(60)
        assert (replies["waiting"].status, server.request("GET", "/health").status) == (503, 503)
        assert server.chat("Fair?", "vanilla").status == 503
        engine.go.set()
        running.join(60)
        assert replies["running"].status == 200


def test_a_failure_within_a_stream_is_an_event_and_no_end(
    village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine()
    generate = engine.generate

    def failing(requests: Any, *, should_stop: Any = lambda: False) -> Iterator[Any]:
        for count, event in enumerate(generate(requests, should_stop=should_stop)):
            if count == 3:
                raise ZeroDivisionError("a bug")
            yield event

    monkeypatch.setattr(engine, "generate", failing)
    with served(engine) as server:
        *_, last = server.chat("Fair?", "vanilla", stream=True).events()
        assert (last["error"]["code"], last["error"]["type"]) == ("unexpected", "server_error")
        assert server.chat("Fair?", "vanilla").status == 500


def test_a_thought_is_kept_apart_from_the_answer(tmp_path: Path) -> None:
    engine = scripted(
        tmp_path, replies=[{"match": "user:", "text": "<think>Hm, let me see.</think>Yes, it is."}]
    )
    with served(engine) as server:
        message = server.chat("Fair?", "vanilla").json()["choices"][0]["message"]
        assert (message["content"], message["reasoning_content"].strip()) == (
            "Yes, it is.",
            "Hm, let me see.",
        )
