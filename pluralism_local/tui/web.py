"""The same chat in a browser: textual-serve behind a path that nobody can guess.

    serve ──> http://127.0.0.1:PORT/SECRET/ ──websocket──> a `plocal chat` process for every visitor

Whoever has the whole address has the chat, with this user's models and history; nobody else gets more than "404".
Only this machine can reach it, unless `host` says otherwise, and then the secret must be the user's own token. Pages
of other sites are refused twice: by the name that they call this machine by, and by the origin that they say. The
server itself is in `web_server`, which needs what the extra ``web`` installs.
"""

from __future__ import annotations

import secrets
import shlex
import sys
from collections.abc import Callable, Sequence

from pluralism_local.errors import NotFound
from pluralism_local.web_access import address, listening, token_for

NAME = "the chat"
"""What refusals call it; see `web_access.token_for`."""

VISITORS = 4
"""Chats open at once, unless said otherwise: each is a process with models of its own."""


def serve(
    arguments: Sequence[str],
    *,
    host: str,
    port: int,
    token: str | None,
    visitors: int = VISITORS,
    tell: Callable[[str], None],
) -> None:
    """Serve until Ctrl+C, SIGTERM or the end of the terminal; then end all visitors' chats, within two seconds.

    Args:
        arguments: of `plocal` for each visitor's process, beginning with ``chat``.
        port: 0 for a free one.
        token: the secret part of the address; None makes one up.
        visitors: chats open at once at most.
        tell: told the address, and the end.

    Raises:
        InvalidInput: a host that others can reach without a token, a token that could be guessed, an address that is
            in use or not this machine's.
        NotFound: textual-serve is not installed.
    """
    secret = secret_for(host, token)
    try:
        from pluralism_local.tui.web_server import ChatServer, run
    except ImportError as error:
        raise NotFound(
            "The chat in a browser needs textual-serve, which is not installed.",
            "pip install 'pluralism-local[web]'",
        ) from error

    with listening(host, port) as door:
        server = ChatServer(command(arguments), host, secret, visitors)
        run(server, door, address(host, door.getsockname()[1], f"/{secret}/"), tell)


def secret_for(host: str, token: str | None) -> str:
    """The path that keeps others out.

    Raises: InvalidInput, as `serve`.
    """
    return token_for(host, token, NAME) or secrets.token_urlsafe(24)


def command(arguments: Sequence[str]) -> str:
    """The shell command of a visitor's process: this Python and this package, whatever the PATH says."""
    entry = "from pluralism_local.cli.main import entry; entry()"
    return shlex.join([sys.executable, "-c", entry, *arguments])
