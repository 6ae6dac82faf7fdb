"""The address of a remote model, read once and by one function, and a model's name as it may be shown.

    "[remote:]URL[#model]" ──parse_spec──> RemoteUrl(address, host, loopback, credentials, model)
    any text with URLs     ──without_credentials──> the same text without user names and passwords

Whoever asks where a URL leads (the engine, `--offline`, the API key, the proxy) asks the same `RemoteUrl`, whose
`address` is written anew from the parts that were checked, so that the HTTP client has nothing else to read. What
two readers could read differently is refused: other characters than a host name's, a ``/`` or ``@`` out of place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote

from pluralism_local.errors import InvalidInput
from pluralism_local.model_names import url_of

LONGEST_URL = 8000  # characters; no server takes more
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<userinfo>[^/?#\\\s]*)@)?"
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#@\\\s]*)?",
    re.IGNORECASE | re.ASCII,
)
_USERINFO = re.compile(r"(https?://)[^\s/?#\\\"'<>]*@", re.IGNORECASE)
_ALL_BEFORE_AT = re.compile(r"(https?://)?.*@", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """Where a remote model is.

    Attributes:
        address: of the API, e.g. ``http://127.0.0.1:8000/v1``; without credentials and the model's name.
        host: that the HTTP client connects to: lower case, an IPv6 address without its brackets.
        loopback: whether that is certainly this machine; see `is_loopback`.
        credentials: user name and password that the URL carried.
        model: its name at the server; None if there was none.
    """

    address: str
    host: str
    loopback: bool
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    model: str | None = None


def parse_spec(spec: str) -> RemoteUrl:
    """Read ``[remote:]http(s)://[user:password@]host[:port][/path][#model]``.

    Without a path, ``/v1`` is added; with one it is taken as it is. Errors never repeat the URL.

    Raises:
        InvalidInput: it is no such URL, or not one that everybody reads alike.
    """
    spec = spec.strip()
    url, _, model = (url_of(spec) or spec).partition("#")
    match = _URL.fullmatch(url.strip()) if url.isprintable() and len(url) <= LONGEST_URL else None
    host = _host(match["host"]) if match else None
    if not match or host is None or int(match["port"] or 0) > 65535:
        raise InvalidInput(
            "The URL of the remote model cannot be used: it must be http(s)://host[:port][/path].",
            "Write for example remote:http://127.0.0.1:8000/v1 or remote:https://example.org/v1#model; in a user "
            "name, a password or a path, '/', '?', '#', '@' and '\\' are written %2F, %3F, %23, %40 and %5C.",
        )
    path = (match["path"] or "").rstrip("/").removesuffix("/chat/completions") or "/v1"
    written = f"[{host}]" if ":" in host else host
    port = f":{match['port']}" if match["port"] else ""
    user, _, password = (match["userinfo"] or "").partition(":")
    return RemoteUrl(
        address=f"{match['scheme'].lower()}://{written}{port}{path}",
        host=host,
        loopback=is_loopback(host),
        credentials=(unquote(user), unquote(password)) if match["userinfo"] else None,
        model=model or None,
    )


def is_loopback(host: str) -> bool:
    """Whether a host is certainly this machine: ``localhost``, 127.0.0.0/8, ``::1``, or these written as IPv4 in IPv6.

    Any other spelling is not, even where some system would take it so: ``2130706433``, ``127.1``, ``localhost.``.
    """
    if host.lower() == "localhost":
        return True
    try:
        if ":" not in host:
            return IPv4Address(host).is_loopback
        address = IPv6Address(host)
    except AddressValueError:
        return False
    return address.scope_id is None and (address.ipv4_mapped or address).is_loopback


def without_credentials(text: str) -> str:
    """`text`, a model's name or any other, without the user name and password of the URLs in it.

    Of a remote model's name that cannot be read as a URL everything before its last ``@`` is left out, and what
    follows a ``?``: a password may hold characters that end the part it belongs to.
    """
    url = url_of(text.strip())
    if url is not None:
        try:
            parse_spec(url)
        except InvalidInput:
            prefix = text.strip().partition(":")[0]
            return f"{prefix}:" + _ALL_BEFORE_AT.sub(r"\1", url.partition("?")[0])
    return _USERINFO.sub(r"\1", text)


def _host(text: str) -> str | None:
    """The host in lower case and without brackets; None where the HTTP client would take it for no host."""
    host = text.lower()
    if len(host) > 253:
        return None
    try:
        if host.startswith("["):
            host = host[1:-1]
            IPv6Address(host)
        elif host.replace(".", "").isdecimal() and host.count(".") == 3 and not host.endswith("."):
            IPv4Address(host)
    except AddressValueError:
        return None
    return host
