"""The same chat in a browser: textual-serve behind a path that nobody can guess.

    serve ──> http://127.0.0.1:PORT/SECRET/ ──websocket──> a `plocal chat` process for every visitor

Whoever has the whole address has the chat, with this user's models and history; nobody else gets more than "404".
Only this machine can reach it, unless `host` says otherwise, and then the secret must be the user's own token. The
page loads nothing from elsewhere: textual-serve's own asks a font server, this one does not.
"""

from __future__ import annotations

import re
import secrets
import shlex
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.remote_url import is_loopback

if TYPE_CHECKING:
    from textual_serve.server import Server

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_FOREIGN = re.compile(r"<link\b[^>]*https://[^>]*>", re.DOTALL)
_HEADERS = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Frame-Options": "DENY"}


def serve(
    arguments: Sequence[str], *, host: str, port: int, token: str | None, tell: Callable[[str], None]
) -> None:
    """Serve until Ctrl+C.

    Args:
        arguments: of `plocal` for each visitor's process, beginning with ``chat``.
        port: 0 for a free one.
        token: the secret part of the address; None makes one up.
        tell: told the address.

    Raises:
        InvalidInput: a host that others can reach without a token, or a token that could be guessed.
        NotFound: textual-serve is not installed.
    """
    secret = secret_for(host, token)
    port = port or _free_port(host)
    server = make_server(arguments, host, port, secret)
    tell(f"The chat is at {address(host, port, secret)}")
    tell("Whoever has this address can use it. Ctrl+C ends it.")
    server.serve()


def secret_for(host: str, token: str | None) -> str:
    """The path that keeps others out.

    Raises: InvalidInput, as `serve`.
    """
    if token is None:
        if not is_loopback(host):
            raise InvalidInput(
                f"Others could reach the chat on {host}, so it needs a token.",
                "Give --token with 16 characters or more, or leave --host out.",
            )
        return secrets.token_urlsafe(24)
    if not _TOKEN.fullmatch(token):
        raise InvalidInput(
            "The token must have 16 to 128 letters, digits, '-' or '_'.",
            f"This one was made by chance: {secrets.token_urlsafe(24)}",
        )
    return token


def address(host: str, port: int, secret: str) -> str:
    """What to open in the browser."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{secret}/"


def make_server(arguments: Sequence[str], host: str, port: int, secret: str) -> Server:
    """The server, not started.

    Raises: NotFound: textual-serve is not installed.
    """
    try:
        import aiohttp_jinja2
        import jinja2
        from aiohttp import web
        from textual_serve.server import Server, to_int
    except ImportError as error:
        raise NotFound(
            "The chat in a browser needs textual-serve, which is not installed.",
            "pip install 'pluralism-local[web]'",
        ) from error

    class ChatServer(Server):
        """textual-serve below a secret path, with a page that stays on this machine."""

        def initialize_logging(self) -> None:
            """No log of its own: what goes wrong in the chat is shown there."""

        async def on_startup(self, app: web.Application) -> None:
            """No banner; the address has been told."""

        async def _make_app(self) -> web.Application:
            app = web.Application()
            aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path))
            app.add_routes(
                [
                    web.get(f"/{secret}/", self.handle_index, name="index"),
                    web.get(f"/{secret}/ws", self.handle_websocket, name="websocket"),
                    web.get(f"/{secret}/download/{{key}}", self.handle_download, name="download"),
                    web.static(f"/{secret}/static", self.statics_path, name="static"),
                ]
            )
            return app

        async def handle_index(self, request: web.Request) -> web.Response:
            """The page, with addresses of the host that the browser used."""
            here = f"{request.scheme}://{request.host}/{secret}"
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

    return ChatServer(command(arguments), host=host, port=port, title="plocal chat")


def command(arguments: Sequence[str]) -> str:
    """The shell command of a visitor's process: this Python and this package, whatever the PATH says."""
    entry = "from pluralism_local.cli.main import entry; entry()"
    return shlex.join([sys.executable, "-c", entry, *arguments])


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as found:
        return int(found.getsockname()[1])
