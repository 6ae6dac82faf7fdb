"""The chat in a browser: who may reach it, and that a visitor gets the chat itself."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pluralism_local import web_access
from pluralism_local.errors import InvalidInput
from pluralism_local.tui import web
from tests.support.chat_driver import play

pytest.importorskip("textual_serve")
aiohttp = pytest.importorskip("aiohttp")

ENTRY = "from pluralism_local.cli.main import entry; entry()"


def test_another_host_needs_a_token_that_cannot_be_guessed() -> None:
    assert len(web.secret_for("127.0.0.1", None)) >= 24
    assert web.secret_for("127.0.0.1", None) != web.secret_for("127.0.0.1", None)
    assert web.secret_for("0.0.0.0", "kT3vXq9Lw2_mZr8B") == "kT3vXq9Lw2_mZr8B"
    for host, token in (
        ("0.0.0.0", None),
        ("192.168.0.1", None),
        ("127.0.0.1", "short"),
        ("::", "a/../" * 9),
    ):
        with pytest.raises(InvalidInput):
            web.secret_for(host, token)


@pytest.mark.parametrize(
    "token",
    [
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "1234123412341234",
        "passwordpassword",
        "passwordpasswordpass",
        "0123456789abcdef",
        "abcdefghijklmnop",
        "zyxwvutsrqponmlk",
        "AbCdEfGhIjKlMnOp",
        "11112222333344445555666677778888",
        "aaaaaaaabcdeaaaaaaaa",
        "________________",
    ],
)
def test_a_token_that_repeats_itself_or_counts_is_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="guessed"):
        web.secret_for("127.0.0.1", token)


def test_a_token_made_by_chance_is_taken() -> None:
    for _ in range(300):
        token = secrets.token_urlsafe(16)
        assert web.secret_for("127.0.0.1", token) == token


@pytest.mark.parametrize(
    ("asked", "host", "named"),
    [
        ("127.0.0.1:8000", "127.0.0.1", True),
        ("localhost:9", "127.0.0.1", True),
        ("[::1]:8000", "127.0.0.1", True),
        ("evil.example.org:8000", "127.0.0.1", False),
        ("192.0.2.7:8000", "127.0.0.1", False),
        ("127.0.0.1.example.org", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("[", "127.0.0.1", False),
        ("192.0.2.7:8000", "0.0.0.0", True),
        (f"{socket.gethostname()}:8000", "0.0.0.0", True),
        ("evil.example.org", "0.0.0.0", False),
        ("box.example.org:80", "box.example.org", True),
    ],
)
def test_only_names_of_this_machine_are_answered(asked: str, host: str, named: bool) -> None:
    assert web_access.is_named(asked, host) is named


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        (None, True),
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", False),
        ("http://127.0.0.1", False),
        ("https://example.org", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_only_pages_of_this_server_open_a_chat(origin: str | None, own: bool) -> None:
    assert web_access.is_own_page(origin, "127.0.0.1:8000") is own


def test_a_port_in_use_and_an_address_elsewhere_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    from pluralism_local.cli.main import main

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = str(door.getsockname()[1])
        assert main(["chat", "--web", "--port", port]) == 2
    told = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 is in use." in told and "--port" in told
    for host in ("192.0.2.7", "nowhere.invalid", "a..b"):
        assert main(["chat", "--web", "--host", host, "--token", secrets.token_urlsafe(24)]) == 2
        assert "--host" in capsys.readouterr().err


def test_help_says_where_a_token_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    from pluralism_local.cli.main import main

    assert main(["chat", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "list of processes" in told and "PLOCAL_TOKEN" in told


def test_a_terminal_has_a_size_that_can_be_drawn() -> None:
    from pluralism_local.tui.web_server import bounded

    assert bounded(100_000, 100_000) == (500, 200)
    assert bounded(0, -3) == (1, 1)
    assert bounded(80, 24) == (80, 24)


def test_addresses() -> None:
    assert web_access.address("127.0.0.1", 8000, "/s/") == "http://127.0.0.1:8000/s/"
    assert web_access.address("::1", 8000, "/v1") == "http://[::1]:8000/v1"


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from pluralism_local.cli.main import main

    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    monkeypatch.delitem(sys.modules, "pluralism_local.tui.web_server", raising=False)
    assert main(["chat", "--web"]) == 3


class Served:
    """A `plocal chat --web` of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, "chat", "--web", "-m", "scripted:", *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        found = re.search(r"http://\S+", self.process.stderr.readline())
        assert found is not None
        self.url = found[0]

    def end(self, by: signal.Signals = signal.SIGTERM, seconds: float = 60) -> str:
        """Send the signal and wait; what it said."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.communicate(timeout=seconds)[1]

    def visitors(self) -> list[int]:
        """The process ids of the chats."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address of a `plocal chat --web` of its own."""
    served = Served(*arguments)
    try:
        yield served.url
    finally:
        served.end()


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


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Any]:
    """A websocket of its own."""
    async with aiohttp.ClientSession() as client, client.ws_connect(url) as connection:
        yield connection


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
                await shown(socket, "8 ctx|4,096 ctx")
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


def test_pages_of_other_sites_get_nothing() -> None:
    async def scene(url: str) -> None:
        async with aiohttp.ClientSession() as client:
            await get(client, url)
            async with client.get(url, headers={"Host": "evil.example.org"}) as page:
                assert page.status == 403
            for header in ({"Host": "evil.example.org"}, {"Origin": "https://example.org"}):
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await client.ws_connect(f"{url}ws", headers=header)
            origin = "/".join(url.split("/")[:3])
            async with client.ws_connect(f"{url}ws", headers={"Origin": origin}) as connection:
                await shown(connection, "ctx")

    with serving() as url:
        play(scene(url))


def test_no_more_visitors_than_allowed_and_a_place_is_free_again() -> None:
    async def scene(url: str) -> None:
        async with aiohttp.ClientSession() as client:
            async with client.ws_connect(f"{url}ws") as connection:
                await shown(connection, "ctx")
                code, told = await get(client, url)
                assert code == 503 and "--visitors" in told
                with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                    await client.ws_connect(f"{url}ws")
            while (await get(client, url))[0] == 503:
                await asyncio.sleep(0.05)
            async with client.ws_connect(f"{url}ws") as connection:
                await shown(connection, "ctx")

    with serving("--visitors", "1") as url:
        play(scene(url))


def test_what_no_page_sends_does_no_harm() -> None:
    odd = ("", "x", "7", "[]", "[1]", '["stdin", 7]', '["resize"]', '["resize", {}]', "[" * 9999)
    sizes = ({"width": "x", "height": 3}, {"width": 10**9, "height": 10**9}, {"width": 100, "height": 30})

    async def scene(url: str) -> None:
        async with visiting(f"{url}ws?width=100000&height=x") as connection:
            await shown(connection, "4,096 ctx")
            for message in (*odd, *(json.dumps(["resize", size]) for size in sizes)):
                await connection.send_str(message)
            await connection.send_str(json.dumps(["stdin", "Should phones be banned?\r"]))
            await shown(connection, "heard 3 of 3")

    with serving() as url:
        play(scene(url))


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_the_end_of_the_server_is_soon_and_told_and_ends_its_visitors(by: signal.Signals) -> None:
    async def scene(served: Served) -> list[int]:
        async with visiting(f"{served.url}ws?width=100&height=30") as connection:
            await shown(connection, "ctx")
            visitors = served.visitors()
            told = await asyncio.to_thread(served.end, by, 10)
            assert "no longer served; 1 open" in told
            return visitors

    served = Served()
    try:
        visitors = asyncio.run(scene(served))
    finally:
        served.end(signal.SIGKILL)
    assert served.process.returncode == 0
    assert visitors and not any(map(alive, visitors))


def test_visitors_end_with_a_server_that_is_killed() -> None:
    async def scene(served: Served) -> list[int]:
        async with visiting(f"{served.url}ws?width=100&height=30") as connection:
            await shown(connection, "ctx")
            visitors = served.visitors()
            served.end(signal.SIGKILL)
            return visitors

    visitors = asyncio.run(scene(Served()))
    assert visitors
    deadline = time.monotonic() + 60
    while any(map(alive, visitors)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether it runs; what waits for somebody to take its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_visitors_process_that_does_not_end_is_ended() -> None:
    from textual_serve.download_manager import DownloadManager

    from pluralism_local.tui.web_server import Visit

    async def scene() -> None:
        async def nothing(*_: object) -> None: ...

        stubborn = "import time; print('__GANGLION__', flush=True); time.sleep(600)"
        visit = Visit(
            shlex.join([sys.executable, "-c", stubborn]),
            write_bytes=nothing,
            write_str=nothing,
            close=nothing,
            download_manager=DownloadManager(),
        )
        await visit.start(80, 24)
        leaving = asyncio.create_task(visit.end(600))
        await asyncio.sleep(0)
        await visit.end(0.2)
        await leaving
        assert visit._process is not None and visit._process.returncode == -signal.SIGKILL

    play(scene())
