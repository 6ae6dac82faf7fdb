"""Errors and warnings for clients name what a client can say, and of the command line only what starts the server."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import pluralism_local
from pluralism_local import config
from pluralism_local.cli.ask import ask
from pluralism_local.cli.mcp import mcp
from pluralism_local.cli.serve import serve
from pluralism_local.conversation.engines import Handles
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure
from pluralism_local.option_words import reworded
from pluralism_local.serve.service import Service
from pluralism_local.serve.words import CHAT_COMPLETIONS, TOOLS
from pluralism_local.types import EngineEvent, Request
from tests.support.api_server import Served, served

ROOT = Path(pluralism_local.__file__).parent
REACHED = (
    "modes",
    "communities",
    "engine",
    "positions",
    "conversation/ask_checks.py",
    "wiring.py",
    "types.py",
)
"""Where what a client is told is written."""

NOT_ASKED = {
    "--rounds",
    "--consensus",
    "--rule",
    "--alpha",
    "--revise",
    "--positions",
    "--prompts",
    "--trace",
}
"""Options of asks that no request can have."""

OPTION = re.compile(r"(?<![\w-])(?:--[a-z][a-z-]*[a-z]|-p)(?![\w-])")


def options_of(command: Any) -> set[str]:
    """The options of a command."""
    hints = get_type_hints(command, include_extras=True).values()
    infos = [info for hint in hints for info in getattr(hint, "__metadata__", ())]
    names = [name for info in infos for name in (info.default, *(getattr(info, "param_decls", None) or ()))]
    return {option for name in names if isinstance(name, str) for option in name.split("/")}


def texts() -> Iterator[tuple[str, str]]:
    """File and text of every string in the code of `REACHED`, without docstrings."""
    files = [
        file
        for part in REACHED
        for file in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
    ]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
                yield str(file.relative_to(ROOT)), node.value


@pytest.mark.parametrize("words", [CHAT_COMPLETIONS, TOOLS])
def test_every_option_of_an_ask_that_a_sentence_names_has_a_word(words: Mapping[str, str]) -> None:
    asked = options_of(ask)
    named = {
        (file, option)
        for file, text in texts()
        for option in OPTION.findall(text)
        if option in asked - NOT_ASKED
    }
    assert {option for _, option in named} >= {"--option", "--pool", "--community", "--ctx-size", "--samples"}
    assert [(file, option) for file, option in sorted(named) if option not in words] == []


@pytest.mark.parametrize(
    ("words", "command", "name"), [(CHAT_COMPLETIONS, serve, "serve"), (TOOLS, mcp, "mcp")]
)
def test_what_whoever_starts_it_can_say_is_an_option_of_that_command(
    words: Mapping[str, str], command: Any, name: str
) -> None:
    started = {option: word for option, word in words.items() if word.startswith("-")}
    assert started == {option: f"{option} of plocal {name}" for option in started}
    assert set(started) <= options_of(command) and set(words) - set(started) <= options_of(ask)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Choose a pool with --pool or with --community.", "Choose a pool with POOL or with WHO."),
        ("several communities with -p.", "several communities with WHO."),
        ("There is no model '--pool'.", "There is no model '--pool'."),
        (
            "pip --force-reinstall x --pool-size -px --pools",
            "pip --force-reinstall x --pool-size -px --pools",
        ),
        ("--pool", "POOL"),
        ("(--pool)", "(POOL)"),
        ("", ""),
    ],
)
def test_options_are_reworded_and_nothing_else_is(text: str, said: str) -> None:
    assert reworded(text, {"--pool": "POOL", "--community": "WHO", "-p": "WHO", "--force": "!"}) == said


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("steerable", {}, "'plural.attribute' (or a line 'attribute: …' before the question)"),
    ("distributional", {}, "'plural.options' (or a line 'options: … | …' before the question)"),
    ("distributional", {"plural": {"options": ["Yes"]}}, "'plural.options'"),
    ("overton", {"plural": {"draws": 1}}, "'plural.draws' needs at least 2 comments"),
    ("overton", {"plural": {"draws": -1}}, "'plural.draws' needs at least 2 comments"),
    ("overton", {"plural": {"draws": 41}}, "choose fewer communities with 'plural.communities'"),
    ("overton", {"plural": {"draws": "many"}}, "'plural.draws' cannot be used"),
    ("vanilla", {"plural": {"draws": 3}}, "Leave 'plural.draws' out, or use the model overton."),
    ("vanilla", {"max_tokens": 0}, "Leave 'max_tokens' out"),
]


@pytest.mark.parametrize(("mode", "fields", "said"), BAD)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_cannot_be_is_told_in_its_own_fields(
    server: Served, mode: str, fields: dict[str, Any], said: str, stream: bool
) -> None:
    refused = server.chat("Is tipping fair?", mode, stream=stream, **fields)
    message = refused.json()["error"]["message"]
    assert refused.status == 400 and said in message
    assert not OPTION.findall(message)


class Failing(ScriptedEngine):
    """Fails with this hint."""

    def generate(self, requests: Any, *, should_stop: ShouldStop = never) -> Iterator[EngineEvent]:
        if isinstance(requests[0], Request) and len(requests) > 1:
            yield from super().generate(requests, should_stop=should_stop)
            return
        raise EngineFailure("It broke.", "Use a smaller --ctx-size or --max-tokens.")


@pytest.mark.parametrize(("mode", "stream"), [("vanilla", False), ("vanilla", True), ("overton", False)])
def test_what_fails_on_the_way_is_told_so_too(village: object, mode: str, stream: bool) -> None:
    with served(Failing()) as server:
        told = server.chat("Is tipping fair?", mode, stream=stream).body.decode()
    assert (
        "smaller --ctx-size of plocal serve or 'max_tokens'." in told
    )  # in warnings, where there are comments


def test_an_agent_is_told_of_its_arguments() -> None:
    pytest.importorskip("mcp")
    from mcp import Client

    from pluralism_local.serve import tools
    from pluralism_local.serve.queue import EngineThread, FairQueue

    engine = ScriptedEngine()
    service = Service(config.load().settings, Handles(engine, engine), words=TOOLS)
    queue = FairQueue(4)
    worker = EngineThread(service, queue)
    worker.start()

    async def play() -> None:
        async with Client(tools.build(service, queue)) as client:
            for arguments, said in (
                ({"mode": "steerable"}, "with 'attribute', e.g. 'rural voters'"),
                ({"mode": "distributional"}, "give each with 'options'"),
                ({"draws": 1}, "'draws' needs at least 2"),
                ({"draws": 41}, "fewer communities with --community of plocal mcp"),
                ({"draws": 3, "mode": "moe"}, "Leave 'draws' out, or use the mode overton."),
            ):
                result = await client.call_tool("ask", {"question": "Is tipping fair?", **arguments})
                told = json.dumps([block.model_dump() for block in result.content], ensure_ascii=False)
                assert result.is_error and said in told
            drawn = await client.call_tool("ask", {"question": "Is tipping fair?", "draws": 3})
            content: Any = drawn.structured_content
            assert not drawn.is_error and content["draws"]["n"] == 3

    try:
        asyncio.run(play())
    finally:
        worker.end()
        engine.close()


def test_drawn_comments_are_counted_beside_the_answer(server: Served) -> None:
    for stream in (False, True):
        reply = server.chat("Is tipping fair?", plural={"draws": 3}, stream=stream)
        whole = reply.json() if not stream else next(it for it in reply.events() if "positions" in str(it))
        drawn = whole["plural"]["draws"]
        assert drawn["n"] == 3 and list(drawn["comments"]) == ["farmers", "fishers", "millers"]
        assert (
            sum(it["count"] for each in drawn["positions"] for it in each["voices"].values())
            + sum(drawn["silent"].values())
            == 9
        )
    assert server.chat("Is tipping fair?").json()["plural"]["draws"] is None
