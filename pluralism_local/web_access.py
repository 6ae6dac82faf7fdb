"""Who may reach a server of this package: its address, its token, and which names and pages it answers.

    host, offline ──check_offline──> nothing, or a refusal      host, token ──token_for──> the token, if one is needed
    origins ──check_origins──> nothing, or a refusal
    host, port ──listening──> a socket                          host, port, path ──address──> what to open
    a request's Host, Origin ──is_named, is_own_page──> whether it is meant for this server

The chat in a browser and the API are kept the same way: only this machine reaches them unless the user says
otherwise, and a page of another site is refused by the name that it calls this machine by, and by its origin.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import secrets
import socket
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import urlsplit

from pluralism_local.display.figures import one_line
from pluralism_local.errors import InvalidInput
from pluralism_local.remote_url import is_loopback

FEWEST_CHARACTERS = 8
"""Different ones in a token."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\sA-Z]+")


def check_offline(host: str, server: str) -> None:
    """Refuse to listen where others could reach `server`, e.g. ``"the chat"``, while nothing may leave this machine.

    Raises:
        InvalidInput: others could reach it.
    """
    if not is_loopback(host):
        raise InvalidInput(
            f"Others could reach {server} on {host}, and this is offline.", "Leave --host or --offline out."
        )


def check_origins(origins: Sequence[str]) -> None:
    """Refuse what no page has as its origin, such as an address with a path: it would let nobody in, and not say so.

    Raises:
        InvalidInput: one is not written as browsers write it, ``scheme://host[:port]`` in small letters.
    """
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise InvalidInput(
                f"'{one_line(origin, 80)}' is not the origin of a page.",
                "Write scheme, host and port alone, in small letters: http://localhost:3000",
            )


def token_for(host: str, token: str | None, server: str) -> str | None:
    """The token that keeps others from `server`; None where only this machine reaches it and none was given.

    Raises:
        InvalidInput: others could reach it and there is no token, or the token is none that `checked_token` takes.
    """
    if token is not None:
        return checked_token(token)
    if not is_loopback(host):
        raise InvalidInput(
            f"Others could reach {server} on {host}, so it needs a token.",
            "Set PLOCAL_TOKEN to 16 characters or more, or leave --host out.",
        )
    return None


def address(host: str, port: int, path: str) -> str:
    """The URL of what a server has at `path`, which begins with "/"."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def checked_token(token: str) -> str:
    """The token, if nobody can guess it.

    Raises:
        InvalidInput: it is too short, has other characters than a token, or could be guessed.
    """
    hint = f"This one was made by chance: {secrets.token_urlsafe(24)}"
    if not _TOKEN.fullmatch(token):
        raise InvalidInput("The token must have 16 to 128 letters, digits, '-' or '_'.", hint)
    if is_guessable(token):
        raise InvalidInput("The token could be guessed: it repeats itself, or counts.", hint)
    return token


def is_guessable(token: str) -> bool:
    """Whether few characters say all of a token: few different ones, a piece again and again, or rows of them."""
    folded = token.lower()
    repeats = any(
        folded == (folded[:length] * len(folded))[: len(folded)] for length in range(1, len(folded) // 2 + 1)
    )
    in_order = sum(abs(ord(character) - ord(following)) <= 1 for character, following in pairwise(folded))
    return repeats or in_order > len(folded) // 2 or len(set(folded)) < FEWEST_CHARACTERS


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes visitors at this address.

    Raises:
        InvalidInput: it is in use, must not be used, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=16)
    except (OSError, UnicodeError) as error:
        number, reason = (
            (error.errno, error.strerror) if isinstance(error, OSError) else (None, "no such name")
        )
        if number == errno.EADDRINUSE:
            raise InvalidInput(
                f"Port {port} of {host} is in use.", "Give another --port, or none: then a free one is taken."
            ) from error
        if number in (errno.EACCES, errno.EPERM):
            raise InvalidInput(
                f"Port {port} of {host} may not be used by you.", "Give a --port from 1024 on, or none."
            ) from error
        raise InvalidInput(
            f"Nothing can be served at {host}: {reason or error}.",
            "--host takes an address of this machine, such as 127.0.0.1.",
        ) from error


def is_named(authority: str, host: str) -> bool:
    """Whether a request's ``Host`` is a name of this server, and not one that another site has led here.

    Addresses in numbers are no names that could be led here. The port may be another: that of a tunnel.

    Args:
        authority: as the request has it, with or without a port.
        host: where the server listens.
    """
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return False
    if is_loopback(name):
        return True
    if is_loopback(host):
        return False
    own = socket.gethostname().lower()
    return name in (host.lower(), own, f"{own.partition('.')[0]}.local") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_own_page(origin: str | None, authority: str) -> bool:
    """Whether a request comes from a page of this server, or from no page at all: that has no ``Origin``.

    Args:
        origin: the request's ``Origin``; None without one.
        authority: the request's ``Host``.
    """
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == authority.lower()
    except ValueError:
        return False
