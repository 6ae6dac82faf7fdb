"""Whether a request to the chat in a browser comes from where it says: by the name it calls, and by its page.

Host ──is_named──> this server, or a name that another site has led here        Origin ──is_own_page──> own, or not
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from pluralism_local.remote_url import is_loopback


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
    """Whether a websocket is opened by a page of this server; what says no ``Origin`` is no page.

    Args:
        authority: the request's ``Host``.
    """
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == authority.lower()
    except ValueError:
        return False
