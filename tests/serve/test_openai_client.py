"""The `openai` package, which most programs speak to servers with, and our own remote engine, against our server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import ContextOverflow, RemoteFailure
from pluralism_local.types import Message, OptionRequest, Request, Sampling, TextDelta, TextDone
from tests.support.api_server import Served, served

openai = pytest.importorskip("openai")


def client(server: Served, key: str = "none") -> Any:
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0, timeout=60)


def question(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_the_client_asks_streams_and_reads_what_stands_beside(server: Served) -> None:
    with client(server) as ours:
        assert "overton:village" in {model.id for model in ours.models.list()}
        reply = ours.chat.completions.create(model="overton", messages=question("Is tipping fair?"))
        assert reply.choices[0].message.content
        assert len(reply.model_extra["plural"]["comments"]) == 3
        with ours.chat.completions.create(
            model="overton",
            messages=question("Is tipping fair?"),
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text.strip() == reply.choices[0].message.content
        assert chunks[-1].usage.total_tokens == reply.usage.total_tokens


def test_the_client_weighs_options_and_reads_their_logprobs(server: Served) -> None:
    with client(server) as ours:
        reply = ours.chat.completions.create(
            model="distributional",
            messages=question("Ban phones?"),
            logprobs=True,
            top_logprobs=2,
            extra_body={"plural": {"options": ["Yes", "No"]}},
        )
        tops = reply.choices[0].logprobs.content[0].top_logprobs
        assert {top.token for top in tops} == {"Yes", "No"}


def test_the_client_gets_errors_of_the_right_kind(village: Path) -> None:
    with served(ScriptedEngine(context=200), token="kT3vXq9Lw2_mZr8B") as server:
        with client(server) as stranger, pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with client(server, "kT3vXq9Lw2_mZr8B") as ours:
            with pytest.raises(openai.NotFoundError, match="Did you mean 'overton'"):
                ours.chat.completions.create(model="overtone", messages=question("?"))
            with pytest.raises(openai.BadRequestError) as refusal:
                ours.chat.completions.create(model="vanilla", messages=question("why " * 300))
            assert refusal.value.code == "context_length_exceeded"


def test_our_remote_engine_reads_our_server(server: Served) -> None:
    with RemoteEngine(server.url, "overton") as engine:
        events = list(
            engine.generate([Request((Message("user", "Is tipping fair?"),), Sampling(max_tokens=24))])
        )
        done = events[-1]
        assert isinstance(done, TextDone)
        assert done.completion.text and done.completion.usage.completion
        assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip()
    with RemoteEngine(server.url, "distributional") as engine:
        lettered = Message("user", "Ban phones?\nA. Yes\nB. No\nAnswer:")
        (weighed,) = engine.distribution([OptionRequest((lettered,), ("A", "B"))])
        assert weighed.method == "top_logprobs" and weighed.unassigned_mass == pytest.approx(0)
        assert all(high - low < 1e-6 for low, high in weighed.bounds)


def test_our_remote_engine_reads_our_refusals(village: Path) -> None:
    with served(ScriptedEngine(context=200), token="kT3vXq9Lw2_mZr8B") as server:
        with RemoteEngine(server.url, "vanilla", api_key="kT3vXq9Lw2_mZr8B") as engine:
            with pytest.raises(ContextOverflow) as refusal:
                list(engine.generate([Request((Message("user", "why " * 300),), Sampling(max_tokens=24))]))
            assert refusal.value.available == 200 < refusal.value.needed
        with (
            RemoteEngine(server.url, "vanilla", api_key="wrong") as engine,
            pytest.raises(RemoteFailure, match="key"),
        ):
            list(engine.generate([Request((Message("user", "?"),), Sampling())]))


def test_eight_clients_at_once_all_get_their_own_answers(server: Served) -> None:
    answers: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        with client(server) as ours:
            answers[number] = [
                ours.chat.completions.create(
                    model="vanilla", messages=question(f"Is rule {number} fair?"), user=f"client-{number}"
                )
                .choices[0]
                .message.content
                for _ in range(3)
            ]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(answers) == list(range(8))
    assert all(len(set(texts)) == 1 for texts in answers.values())
    assert len({texts[0] for texts in answers.values()}) > 1
