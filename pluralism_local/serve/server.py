"""A listening socket served until a signal: requests that run then may end, those that wait are turned away.

serve ──uvicorn──> Api        Ctrl-C, SIGTERM ──> no new requests ──GRACE_SECONDS──> all others are stopped
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn

from pluralism_local.serve.app import Api, ServerLimits
from pluralism_local.serve.connection import Connection
from pluralism_local.serve.service import Service
from pluralism_local.web_access import address, listening, token_for

GRACE_SECONDS = 10
"""How long the requests that run may take once the server is to end."""

SPARE_CONNECTIONS = 256
"""Connections at once beside those of requests that may wait."""

NAME = "the server"
"""What refusals call it; see `web_access.token_for`."""


def serve(
    service: Service,
    *,
    host: str,
    port: int,
    token: str | None,
    origins: Sequence[str] = (),
    limits: ServerLimits = ServerLimits(),  # noqa: B008 - frozen
    tell: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM; a second one ends at once.

    Args:
        port: 0 for a free one.
        token: what clients must show as their API key; may be None on this machine alone.
        origins: of pages of other sites that may use the server.
        tell: told the address, the end, and of failures that are bugs.

    Raises:
        InvalidInput: others could reach it and there is no token, the token could be guessed, or the address cannot be
            listened at.
    """
    token = token_for(host, token, NAME)
    api = Api(service, host=host, token=token, origins=origins, limits=limits, tell=tell)
    with listening(host, port) as door:
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # a client's bad request is its own business
        api.worker.start()
        try:
            asyncio.run(_Server(api, address(host, door.getsockname()[1], "/v1"), tell).serve([door]))
        finally:
            api.worker.end()
    tell("The server has ended.")


def configured(api: Api) -> uvicorn.Config:
    """How uvicorn serves the API."""
    return uvicorn.Config(
        api.asgi,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=api.limits.waiting + SPARE_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    def __init__(self, api: Api, where: str, tell: Callable[[str], None]) -> None:
        super().__init__(configured(api))
        self._api, self._where, self._tell = api, where, tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        self._tell(f"Serving at {self._where}")
        self._tell("Ctrl+C ends it.")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End after what runs; at once at the second signal."""
        self.force_exit = self.should_exit
        self.should_exit = True
        # not at once: `close` takes the queue's lock, which whatever the signal interrupts may hold
        asyncio.get_running_loop().call_soon_threadsafe(self._api.close)
