"""The HTTP client that a server is reached with: its key, the proxies on the way, the certificates it is trusted by.

    RemoteUrl, key ──reach──> Access ──> client(timeout), as often as one is needed
                          └─> Server: what may be shown of it

A key and credentials are for the one address that they were given for: a redirection is never followed, and a client
knows no other address. What the environment names and cannot be used is `InvalidInput`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError

import httpx2

from pluralism_local.api_keys import ApiKey
from pluralism_local.engine.remote_environment import Fault, certificate_faults, goes_direct, proxy_faults
from pluralism_local.engine.remote_refusals import Server
from pluralism_local.engine.remote_secrets import Blotter
from pluralism_local.errors import InvalidInput
from pluralism_local.remote_url import RemoteUrl

CONNECT_SECONDS = 10.0  # a server that is there takes a connection at once, however slowly it answers


@dataclass(frozen=True)
class Access:
    """How one server is reached; `key` is sent as bearer token, an empty one not at all."""

    where: RemoteUrl
    key: str = field(repr=False)

    def client(self, timeout: float) -> httpx2.AsyncClient:
        """A client for one call.

        Args:
            timeout: seconds of silence after which it gives up.

        Raises:
            InvalidInput: a variable names a proxy or certificates that cannot be used.
        """
        direct = self.where.loopback or goes_direct(self.where.host, os.environ)
        if not direct:
            _raise_first(proxy_faults(os.environ))
        credentials = self.where.credentials
        return httpx2.AsyncClient(
            auth=httpx2.BasicAuth(*credentials) if credentials and not self.key else None,
            headers={"Authorization": f"Bearer {self.key}"} if self.key else None,
            verify=self._certificates,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            trust_env=not direct,  # no proxy for a server on this machine
        )

    @cached_property
    def _certificates(self) -> SSLContext:
        """What an encrypted connection trusts; nothing is read for one that is not."""
        if not self.where.address.startswith("https:"):
            return SSLContext(PROTOCOL_TLS_CLIENT)
        _raise_first(certificate_faults(os.environ))
        try:
            return httpx2.create_ssl_context()  # 60 ms, so once
        except (OSError, SSLError, ValueError) as error:
            raise InvalidInput(
                f"The certificates of this machine cannot be read: {error}.",
                "Set SSL_CERT_FILE to a file of certificates.",
            ) from error


def reach(where: RemoteUrl, api_key: str | ApiKey) -> tuple[Access, Server]:
    """How a server is reached, and what may be shown of it.

    Raises:
        InvalidInput: the key has characters that cannot be sent.
    """
    access_key = ApiKey(api_key, "Give another api_key.") if isinstance(api_key, str) else api_key
    key = access_key.secret.strip()
    if not (key.isascii() and key.isprintable()):
        raise InvalidInput("The API key has characters that no key has.", access_key.renewal)
    of_url = "Check the user name and the password in the URL." if where.credentials else ""
    blot = Blotter.of_credentials(key, where.credentials)
    return Access(where, key), Server(where.address, blot, access_key.renewal if key else of_url)


def _raise_first(faults: Iterator[Fault]) -> None:
    for fault in faults:
        raise InvalidInput(fault.sentence, fault.hint)
