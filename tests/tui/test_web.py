"""The chat in a browser: who may reach it, and that a visitor gets the chat itself."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.tui import web
from tests.tui.helpers import play

pytest.importorskip("textual_serve")
aiohttp = pytest.importorskip("aiohttp")

ENTRY = "from pluralism_local.cli.main import entry; entry()"


def test_another_host_needs_a_token_that_cannot_be_guessed() -> None:
    assert len(web.secret_for("127.0.0.1", None)) >= 24
    assert web.secret_for("127.0.0.1", None) != web.secret_for("127.0.0.1", None)
    assert web.secret_for("0.0.0.0", "a" * 16) == "a" * 16
    for host, token in (
        ("0.0.0.0", None),
        ("192.168.0.1", None),
        ("127.0.0.1", "short"),
        ("::", "a/../" * 9),
    ):
        with pytest.raises(InvalidInput):
            web.secret_for(host, token)


def test_addresses() -> None:
    assert web.address("127.0.0.1", 8000, "s") == "http://127.0.0.1:8000/s/"
    assert web.address("::1", 8000, "s") == "http://[::1]:8000/s/"


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from pluralism_local.cli.main import main

    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    assert main(["chat", "--web"]) == 3


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address of a `plocal chat --web` of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, "chat", "--web", "-m", "scripted:", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_only_the_whole_address_answers_and_the_page_loads_nothing_from_elsewhere() -> None:
    async def scene(url: str) -> None:
        root = "/".join(url.split("/")[:3])
        async with aiohttp.ClientSession() as client:
            for path in ("/", "/ws", "/static/js/textual.js", "/guess/", "/guess/ws"):
                assert (await get(client, root + path))[0] == 404
            code, page = await get(client, url)
            assert code == 200
            hosts = set(re.findall(r"(?:https?|wss?)://[^/\"]+", page)) - {"http://www.w3.org"}  # a namespace
            assert hosts == {root, root.replace("http", "ws")}
            assert (await get(client, f"{url}static/js/textual.js"))[0] == 200

    with serving() as url:
        play(scene(url))


async def get(client: object, url: str) -> tuple[int, str]:
    for _ in range(100):
        try:
            async with client.get(url) as response:  # type: ignore[attr-defined]
                return response.status, await response.text()
        except aiohttp.ClientConnectorError:  # it says its address just before it listens
            await asyncio.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_a_visitor_asks_and_is_answered() -> None:
    async def scene(url: str) -> None:
        async with aiohttp.ClientSession() as client:
            await get(client, url)
            async with client.ws_connect(f"{url}ws?width=100&height=30") as socket:
                await shown(socket, "8 ctx|/4,096 ctx")
                await socket.send_str(json.dumps(["stdin", "Should phones be banned?\r"]))
                await shown(socket, "heard 3 of 3")

    with serving() as url:
        play(scene(url))


async def shown(socket: object, pattern: str) -> None:
    """Read what is drawn until `pattern` is in it."""
    seen = ""
    async with asyncio.timeout(120):
        while not re.search(pattern, seen):
            message = await socket.receive()  # type: ignore[attr-defined]
            if isinstance(message.data, bytes):
                seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", message.data.decode("utf-8", "replace"))
