"""The tools for agents, with the official SDK's own client: in this process, and over the pipes of `plocal mcp`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pluralism_local import config
from pluralism_local.conversation.engines import Handles
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.serve.queue import EngineThread, FairQueue
from pluralism_local.serve.service import Service

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters

from pluralism_local.serve import tools
from tests.serve.test_api import Slow

ENTRY = "from pluralism_local.cli.main import entry; entry()"


@pytest.fixture
def agents() -> Iterator[tuple[Service, FairQueue]]:
    engine = ScriptedEngine()
    service = Service(config.load().settings, Handles(engine, engine))
    queue = FairQueue(4)
    worker = EngineThread(service, queue)
    worker.start()
    yield service, queue
    worker.end()
    engine.close()


async def call(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    content = result.structured_content
    return content["result"] if isinstance(content, dict) and set(content) == {"result"} else content


def test_an_agent_lists_and_asks(agents: tuple[Service, FairQueue]) -> None:
    async def play() -> None:
        async with Client(tools.build(*agents)) as client:
            listed = await client.list_tools()
            assert {tool.name for tool in listed.tools} == {"ask", "list_communities", "list_pools"}
            pools = await call(client, "list_pools")
            assert {pool["id"] for pool in pools} >= {"village", "coast"}
            communities = await call(client, "list_communities")
            assert {
                "id": "farmers",
                "name": "The farmers",
                "description": "Speaks for the farmers.",
            } in communities
            answer = await call(client, "ask", question="Is tipping fair?", pool="coast")
            assert [comment["community"] for comment in answer["comments"]] == ["fishers", "millers"]
            assert answer["answer"] and answer["complete"]
            assert not any("passed over" in warning for warning in answer["warnings"])
            told = await call(client, "ask", question="?", attribute="farmers", options=["Yes", "No"])
            assert [part in " ".join(told["warnings"]) for part in ("attribute", "options")] == [True, True]
            weighed = await call(
                client, "ask", question="Ban phones?", mode="distributional", options=["Yes", "No"]
            )
            assert weighed["answer"] in ("Yes", "No")
            assert sum(weighed["distribution"]["p"]) == pytest.approx(1)

    asyncio.run(play())


def test_what_cannot_be_asked_is_a_sentence_for_the_agent(agents: tuple[Service, FairQueue]) -> None:
    async def play() -> None:
        async with Client(tools.build(*agents)) as client:
            for arguments, part in (
                ({"question": "?", "pool": "town"}, "There is no pool 'town'."),
                ({"question": "?", "mode": "steerable"}, "attribute"),
                ({"question": "  "}, "empty"),
                ({"question": "?", "mode": "distributional", "options": ["Yes"]}, "At least 2"),
            ):
                result = await client.call_tool("ask", arguments)
                assert result.is_error
                assert part in json.dumps(
                    [block.model_dump() for block in result.content], ensure_ascii=False
                )

    asyncio.run(play())


def test_an_agent_is_told_who_has_commented(agents: tuple[Service, FairQueue]) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def play() -> None:
        async with Client(tools.build(*agents)) as client:
            await client.call_tool(
                "ask", {"question": "Is tipping fair?", "pool": "coast"}, progress_callback=note
            )

    asyncio.run(play())
    assert [(done, of) for done, of, _ in told] == [(1, 2), (2, 2)]
    assert {message for *_, message in told} == {"fishers has commented", "millers has commented"}


def test_a_call_that_is_cancelled_is_stopped_and_the_next_is_answered(village: object) -> None:
    engine = Slow()
    service = Service(config.load().settings, Handles(engine, engine))
    queue = FairQueue(4)
    worker = EngineThread(service, queue)
    worker.start()

    async def play() -> None:
        async with Client(tools.build(service, queue)) as client:
            calling = asyncio.create_task(client.call_tool("ask", {"question": "?", "mode": "vanilla"}))
            assert await asyncio.to_thread(engine.began.wait, 20)
            calling.cancel()
            assert await asyncio.to_thread(engine.stopped.wait, 20)
            engine.go.set()
            assert (await call(client, "ask", question="Fair?", mode="vanilla"))["answer"]

    try:
        asyncio.run(play())
    finally:
        engine.go.set()
        worker.end()
        engine.close()


def test_over_pipes_as_an_agent_starts_it() -> None:
    async def play() -> None:
        command = StdioServerParameters(
            command=sys.executable,
            args=["-c", ENTRY, "mcp", "-m", "scripted:"],
            env={**os.environ},
        )
        async with Client(command) as client:
            answer = await call(client, "ask", question="Is tipping fair?")
            assert len(answer["comments"]) == 3
            assert answer["model"].startswith("scripted:")

    asyncio.run(play())
