"""A client's connection, as uvicorn's of h11, with what that leaves open: it waits for nobody for ever.

    connected, or a byte of the next request ──HEADER_SECONDS──> 408, where a header has begun; else closed
    no HTTP ──> 400        more connections than may be ──> 503        each in OpenAI's shape

How long a body may take is the application's to say, which waits for it; one that nobody waits for any more, its
request being refused, keeps the connection no longer than a header may.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pluralism_local.serve import replies
from pluralism_local.serve.app import refused
from pluralism_local.serve.queue import RETRY_SECONDS
from pluralism_local.serve.replies import Rejected

HEADER_SECONDS = 30.0
"""How long the header of a request may take to come in."""


class Connection(H11Protocol):
    """What uvicorn makes of each connection; its setting `limit_concurrency` says how many may be open at once."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request."""
        super().connection_made(cast(asyncio.Transport, transport))
        most, self.limit_concurrency = self.limit_concurrency, None  # uvicorn's own refusal is plain text
        if most is not None and len(self.connections) > most:
            self.app = refused(_full(most))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; it says as much
        """Refuse what is no HTTP."""
        self._refuse(Rejected(400, "This is no request of HTTP that can be read.", "no_http"))

    def _watch(self) -> None:
        """Have the clock run while a request is not whole; it goes on from byte to byte."""
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._rest()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._watch()  # the application waits for the body
        elif self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(
                Rejected(
                    408, f"The request's header did not come in within {HEADER_SECONDS:g} s.", "incomplete"
                )
            )
        else:
            self.transport.close()

    def _refuse(self, reason: Rejected) -> None:
        """Answer in place of the application, where nothing has been answered yet, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            status, body, _ = replies.problem(reason)
            content = json.dumps(body).encode()
            headers = {
                "content-type": "application/json",
                "content-length": str(len(content)),
                "connection": "close",
            }
            head = h11.Response(
                status_code=status, headers=list(headers.items()), reason=HTTPStatus(status).phrase.encode()
            )
            for event in (head, h11.Data(data=content), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _full(most: int) -> Rejected:
    headers = {"retry-after": str(RETRY_SECONDS), "connection": "close"}
    return Rejected(503, f"{most} connections are open, as many as may be. Ask again later.", "full", headers)
