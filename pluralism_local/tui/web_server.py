"""The server of the chat in a browser: pages, and a process for every visitor. Needs the extra ``web``.

    browser ──websocket──> Visit ──pipes──> `plocal chat`          run ──> until a signal, then all visits end

A visitor's process ends with its websocket, with the server (whose end closes its input), and at the latest some
seconds after it was told to. The page loads nothing from elsewhere: textual-serve's own asks a font server.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.server import Server, to_int

from pluralism_local.web_access import is_named, is_own_page

WIDEST, HIGHEST = 500, 200
"""Cells of a visitor's terminal at most: what is drawn is held in memory several times."""

END_SECONDS = 1.5
"""How long visitors' processes have to end when the server does."""

LEAVE_SECONDS = 25.0
"""How long a visitor's process may take to keep an answer when only its browser has gone."""

_FOREIGN = re.compile(r"<link\b[^>]*https://[^>]*>", re.DOTALL)
_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Visit(AppService):
    """One visitor's process."""

    _leaving: asyncio.Task[None] | None = None

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # no shell between: what is told to end shall be the chat
        self._process = await asyncio.create_subprocess_exec(
            *shlex.split(self.command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Hand on what the process draws until it ends; then the browser is told."""
        try:
            await super().run()
        finally:
            with suppress(ConnectionError, RuntimeError):
                await self.remote_close()

    async def take(self, message: str) -> None:
        """Hand on what the browser sent: keys, a size, the focus. Anything else is nobody's."""
        match _parsed(message):
            case ["stdin", str(keys)]:
                await self.send_bytes(keys.encode("utf-8", "replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(*bounded(width, height))
            case ["ping", data]:
                await self.remote_write_str(json.dumps(["pong", data]))
            case ["blur", *_]:
                await self.blur()
            case ["focus", *_]:
                await self.focus()

    async def end(self, seconds: float) -> None:
        """Have the process end, and end it if it has not in time; may be called again with less time."""
        process = self._process
        if process is None:
            return
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(process))
        await asyncio.wait({self._leaving}, timeout=seconds)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _leave(self, process: Process) -> None:
        """Ask it to end, and take what it still draws, so that it does not wait for a reader."""
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        await self.send_meta({"type": "quit"})
        self.stdin.close()
        if self._task is not None:
            await asyncio.wait({self._task})
        if process.stdout is not None and process.stderr is not None:
            await asyncio.gather(process.stdout.read(), process.stderr.read())
        await process.wait()


class ChatServer(Server):
    """textual-serve below a secret path.

    Args:
        command: the shell command of a visitor's process.
        host: where it listens; requests must call it so, or by an address.
        secret: the first part of every path.
        most: visits at once.
    """

    def __init__(self, command: str, host: str, secret: str, most: int) -> None:
        super().__init__(command, host=host, title="plocal chat")
        self._secret = secret
        self._most = most
        self._visits = set[Visit]()

    async def end_visits(self) -> int:
        """End all of them, within `END_SECONDS`; how many there were."""
        visits = list(self._visits)
        await asyncio.gather(*(visit.end(END_SECONDS) for visit in visits))
        return len(visits)

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._only_by_name])
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path))
        app.add_routes(
            [
                web.get(f"/{self._secret}/", self.handle_index, name="index"),
                web.get(f"/{self._secret}/ws", self.handle_websocket, name="websocket"),
                web.get(f"/{self._secret}/download/{{key}}", self.handle_download, name="download"),
                web.static(f"/{self._secret}/static", self.statics_path, name="static"),
            ]
        )
        return app

    @web.middleware
    async def _only_by_name(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not is_named(request.host, self.host):
            raise web.HTTPForbidden(text="This is not the name of this server.")
        return await handler(request)

    async def handle_index(self, request: web.Request) -> web.Response:
        """The page, with addresses of the host that the browser used."""
        self._refuse_when_full()
        here = f"{request.scheme}://{request.host}/{self._secret}"
        context: dict[str, Any] = {
            "font_size": to_int(request.query.get("fontsize", "16"), 16),
            "app_websocket_url": f"ws{here.removeprefix('http')}/ws",
            "config": {"static": {"url": f"{here}/static/"}},
            "application": {"name": self.title},
        }
        response = aiohttp_jinja2.render_template("app_index.html", request, context)
        response.text = _FOREIGN.sub("", response.text or "")
        response.headers.update(_HEADERS)
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A visit, from its beginning to its end."""
        if not is_own_page(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="A page of another site must not open the chat.")
        self._refuse_when_full()
        size = bounded(
            to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24)
        )
        socket = web.WebSocketResponse(heartbeat=15)

        async def close() -> None:
            await socket.close()

        visit = Visit(
            self.command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._visits.add(visit)
        try:
            await socket.prepare(request)
            await visit.start(*size)
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    await visit.take(message.data)
        finally:
            # in a task of its own: the end of the request would end this, too
            await asyncio.shield(asyncio.create_task(self._leave(visit)))
        return socket

    async def _leave(self, visit: Visit) -> None:
        try:
            await visit.end(LEAVE_SECONDS)
        finally:
            self._visits.discard(visit)

    def _refuse_when_full(self) -> None:
        if len(self._visits) >= self._most:
            raise web.HTTPServiceUnavailable(
                text=f"{self._most} chats are open, as many as --visitors allows. Close one, and load this again."
            )


def bounded(width: int, height: int) -> tuple[int, int]:
    """A terminal's size in cells, neither empty nor larger than `WIDEST` and `HIGHEST`."""
    return max(1, min(WIDEST, width)), max(1, min(HIGHEST, height))


def run(server: ChatServer, door: socket.socket, where: str, tell: Callable[[str], None]) -> None:
    """Serve at a listening socket until a signal, then end all visits.

    Args:
        where: the address, which is told when it can be opened.
    """
    asyncio.run(_run(server, door, where, tell))


async def _run(server: ChatServer, door: socket.socket, where: str, tell: Callable[[str], None]) -> None:
    runner = web.AppRunner(await server._make_app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, door).start()
    over = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(name, over.set)
    tell(f"The chat is at {where}")
    tell("Whoever has this address can use it. Ctrl+C ends it.")
    await over.wait()
    ended = await server.end_visits()
    tell(f"The chat is no longer served{f'; {ended} open ones were ended' if ended else ''}.")
    await runner.cleanup()


def _parsed(message: str) -> object:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return None
