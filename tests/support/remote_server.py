"""What the tests of the remote engine share: requests, a check of events, an obedient server."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.types import (
    Completion,
    EngineEvent,
    Message,
    OptionRequest,
    Request,
    Sampling,
    TextDelta,
    TextDone,
    TextStarted,
)

QUESTION = (Message("user", "Is the sky blue? Answer with one letter.\nA. Yes\nB. No"),)
LETTERS = OptionRequest(QUESTION, ("A", "B"))


def say(text: str, **sampling: Any) -> Request:
    return Request((Message("user", text),), Sampling(**sampling))


def only_answer(events: Iterator[EngineEvent]) -> Completion:
    """The completion of a single request, having checked the order of its events."""
    started, *deltas, done = list(events)
    assert isinstance(started, TextStarted)
    assert isinstance(done, TextDone)
    assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == done.completion.text
    return done.completion


Act = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Carries out `acts`, one per request, and remembers the requests.

    Attributes:
        reply: what it does about a request, in place of `acts`.
    """

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.reply: Callable[[dict[str, Any]], Act] | None = None
        self.requests: list[dict[str, Any]] = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or "{}")
                request = {"path": self.path, "authorization": self.headers.get("authorization"), **body}
                outer.requests.append(request)
                act = outer.acts.pop(0) if outer.reply is None else outer.reply(request)
                act(self)

            do_GET = do_POST

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._handler = Handler
        self._listen(0)
        self.address = f"127.0.0.1:{self._http.server_address[1]}"

    def _listen(self, port: int) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", port), self._handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def leave(self) -> None:
        """Refuse every further connection, until `come_back`; for acts, too."""
        self._http.shutdown()
        self._thread.join()
        self._http.socket.close()

    def come_back(self) -> None:
        """Listen again at the same address, after `leave`."""
        if self._http.socket.fileno() < 0:
            self._listen(int(self.address.rpartition(":")[2]))

    def engine(self, *acts: Act, model: str | None = "m", **options: Any) -> RemoteEngine:
        self.acts = list(acts)
        return RemoteEngine(f"http://{self.address}", model, **options)

    def close(self) -> None:
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def answer(status: int, body: object, **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        handler.send_response(status)
        for name, value in {"content-length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return act


def stream(*events: object, before: Callable[[], object] | None = None) -> Act:
    """Server-sent events, then the connection closes."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.flush()
        if before is not None:
            before()
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            handler.wfile.write(f": ping\r\ndata: {data}\r\n\r\n".encode())

    return act


def chunk(text: str | None = None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


def whole(text: str, top: dict[str, float] | None = None) -> dict[str, Any]:
    """An answer in one piece, with logprobs if `top` is given."""
    choice: dict[str, Any] = {"message": {"content": text}, "finish_reason": "length", "logprobs": None}
    if top is not None:
        listed = [{"token": token, "logprob": float(np.log(p))} for token, p in top.items()]
        choice["logprobs"] = {"content": [{**listed[0], "top_logprobs": listed}] if top else []}
    return {"choices": [choice]}


HELLO = stream(chunk(), chunk("Hel"), chunk("lo"), chunk(finish="stop"), "[DONE]")


def body(data: bytes | str, kind: str = "text/event-stream", status: int = 200, **headers: str) -> Act:
    """Any bytes under any name, then the connection closes."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-type": kind, "connection": "close", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        with suppress(OSError):  # whoever reads it has had enough
            handler.wfile.write(data.encode() if isinstance(data, str) else data)
        handler.close_connection = True

    return act


def endless(piece: bytes, pause: float = 0.0, kind: str = "text/event-stream", first: bytes = b"") -> Act:
    """The same bytes again and again, until the reader leaves."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", kind)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.close_connection = True
        with suppress(OSError):
            handler.wfile.write(first)
            while True:
                handler.wfile.write(piece)
                time.sleep(pause)

    return act


def pieces(parts: Sequence[bytes], kind: str = "text/event-stream") -> Act:
    """Bytes in parts that arrive one after the other, then the connection closes."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        body(b"", kind)(handler)
        for part in parts:
            handler.wfile.write(part)
            time.sleep(0.01)

    return act


def reset(first: bytes = b"") -> Act:
    """The beginning of an answer, and the connection is torn."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        pieces([first])(handler)
        linger = struct.pack("ii", 1, 0)  # closing it then sends a reset
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(handler.connection.detach())

    return act


def sse(*events: object) -> str:
    """Server-sent events as text; a text goes out as it is, anything else as JSON."""
    return "".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events)
