"""The server's paths: what is asked by HTTP, and what comes back.

    GET  /health                    whether it answers, and how many wait
    GET  /v1/models, /v1/models/ID  what can be asked
    POST /v1/chat/completions       ──> FairQueue ──> EngineThread ──> JSON, or server-sent events ending in [DONE]

A reply is written while its job runs, and watched: a client that leaves stops its job. Nobody gets further than `Door`
who calls this machine by another name, comes from a page of another site, or lacks the token.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pluralism_local.errors import NotFound, PlocalError, did_you_mean
from pluralism_local.results import ModeEvent, Result
from pluralism_local.serve import replies
from pluralism_local.serve.chunks import Chunks
from pluralism_local.serve.queue import ChatJob, EngineThread, FairQueue, ending
from pluralism_local.serve.replies import Label, Rejected
from pluralism_local.serve.service import Service
from pluralism_local.web_access import is_named, is_own_page

ALIVE_SECONDS = 10.0
"""After so long without an event a stream gets a comment, so that nobody takes it for dead."""

BODY_SECONDS = 30.0
"""How long a request's body may take to come in."""

_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a server takes: requests that wait at once, bytes of one request."""

    waiting: int = 32
    body: int = 2**20


class Api:
    """The server's application, and the thread that answers.

    Args:
        host: where it listens; requests must call it so, or by an address.
        token: what a client must show; None for none.
        origins: of pages that may use it beside its own, e.g. ``http://localhost:3000``.
        tell: told of failures that are bugs.
    """

    def __init__(
        self,
        service: Service,
        *,
        host: str,
        token: str | None = None,
        origins: Sequence[str] = (),
        limits: ServerLimits = ServerLimits(),
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._service, self.limits, self._tell = service, limits, tell
        self.queue = FairQueue(limits.waiting)
        self.worker = EngineThread(service, self.queue)
        routes = [
            Route("/health", self._health),
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._model),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]
        paths = Starlette(routes=routes, exception_handlers={404: _nowhere, 405: _not_so})
        self.asgi: ASGIApp = _slash_or_none(Door(paths, host, token, frozenset(origins)))
        if origins:  # around the door, so that a page that may use the server can read why it is refused
            self.asgi = CORSMiddleware(
                self.asgi,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["Retry-After"],
            )

    def close(self) -> None:
        """Take no more requests; the one that is being answered goes on."""
        self.queue.close()

    async def _health(self, _request: Request) -> JSONResponse:
        state = {
            "status": "ending" if self.queue.closed else "ok",
            "answering": self.worker.answering,
            "waiting": len(self.queue),
        }
        return JSONResponse(state, 503 if self.queue.closed else 200)

    async def _models(self, _request: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [_described(name) for name in self._service.names()]})

    async def _model(self, request: Request) -> JSONResponse:
        name = request.path_params["name"]
        names = self._service.names()
        if name not in names:
            missing = NotFound(f"There is no model '{name[:80]}'.", did_you_mean(name[:80], names))
            return refused(missing)
        return JSONResponse(_described(name))

    async def _chat(self, request: Request) -> ASGIApp:
        """A reply that writes itself once the request is read and waits in the queue."""
        # with its port each connection, and so each request, would be a client of its own
        address = request.client.host if request.client else ""
        try:
            if self.queue.closed:  # and nothing is read any more
                raise ending()
            job = ChatJob(address, self._service.read(await self._body(request)))
            self.queue.put(job)
        except (PlocalError, Rejected) as error:
            return refused(error)
        return ChatResponse(job, self._drop, self._problem)

    async def _body(self, request: Request) -> bytes:
        """The body of a request.

        Raises:
            Rejected: it is too large, no JSON by its header, packed, too slow, or its client left within it.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" or request.headers.get("content-encoding"):
            raise Rejected(
                415, "The request must be JSON, with the header 'Content-Type: application/json'.", "no_json"
            )
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    body += part
                    if len(body) > self.limits.body:
                        raise Rejected(
                            413,
                            f"The request has more than {self.limits.body:,} bytes, as many as may be. "
                            "Send less, or leave earlier messages out.",
                            "too_large",
                        )
        except (TimeoutError, ClientDisconnect) as error:
            raise Rejected(408, "The request did not come in whole.", "incomplete") from error
        return bytes(body)

    def _drop(self, job: ChatJob) -> None:
        job.left.set()
        self.queue.drop(job)

    def _problem(self, error: BaseException) -> tuple[int, dict[str, Any], dict[str, str]]:
        if not isinstance(error, PlocalError | Rejected):
            self._tell(f"A request failed, which is a bug: {type(error).__name__}: {error}")
        return replies.problem(error)


class ChatResponse:
    """The answer to one request, as an ASGI application: sent whole or in chunks, until the client leaves.

    Args:
        drop: ends the job, whatever state it is in.
        problem: an error's status, body and headers.
    """

    def __init__(
        self,
        job: ChatJob,
        drop: Callable[[ChatJob], None],
        problem: Callable[[BaseException], tuple[int, dict[str, Any], dict[str, str]]],
    ) -> None:
        self._job, self._drop, self._problem = job, drop, problem
        self._label = Label(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), job.request.model)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the reply; returns when it is written, or nobody is there to read it."""

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        write = self._stream if self._job.request.stream else self._whole
        tasks = [asyncio.create_task(write(scope, receive, send)), asyncio.create_task(gone())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._drop(self._job)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
                raise outcome

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        result = None
        while result is None:
            event = await self._job.events.get()
            if isinstance(event, Exception):
                await self._fail(event)(scope, receive, send)
                return
            result = event if isinstance(event, Result) else None
        if replies.why_no_answer(result):
            reply = JSONResponse(replies.incomplete(result), 502)
        else:
            reply = JSONResponse(replies.completion(self._label, self._job.request, result))
        await reply(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Server-sent events. What is refused before anything happens still gets its own HTTP status."""
        event = await self._next()
        if isinstance(event, Exception):
            await self._fail(event)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})

        async def write(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        chunks = Chunks(self._label, self._job.request)
        await write(_event(chunks.first()))
        written = time.monotonic()
        while True:
            if event is None or time.monotonic() - written >= ALIVE_SECONDS:
                await write(": still at it\n\n")
                written = time.monotonic()
            if event is None:
                pass
            elif isinstance(event, Exception):
                await write(_event(self._problem(event)[1]))
                break
            else:
                for chunk in chunks.of(event):
                    await write(_event(chunk))
                    written = time.monotonic()
                if isinstance(event, Result):
                    if chunks.whole:
                        await write("data: [DONE]\n\n")
                    break
            event = await self._next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self) -> ModeEvent | Exception | None:
        """The next event; None after `ALIVE_SECONDS` without any."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ALIVE_SECONDS):
                return await self._job.events.get()
        return None

    def _fail(self, error: Exception) -> JSONResponse:
        status, body, headers = self._problem(error)
        return JSONResponse(body, status, headers)


class Door:
    """Lets nobody in who calls this machine by a wrong name, comes from another site's page, or lacks the token.

    ``/health`` needs no token, and says nothing worth one.
    """

    def __init__(self, inner: ASGIApp, host: str, token: str | None, origins: frozenset[str]) -> None:
        self._inner, self._host, self._origins = inner, host, origins
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        refusal = self._refusal(request)
        await (self._inner if refusal is None else refused(refusal))(scope, receive, send)

    def _refusal(self, request: Request) -> Rejected | None:
        name, origin = request.headers.get("host", ""), request.headers.get("origin")
        if not is_named(name, self._host):
            return Rejected(403, "This is not the name of this server.", "wrong_host")
        if origin not in self._origins and not is_own_page(origin, name):
            return Rejected(
                403,
                "Pages of other sites may not use this server but those that --origin of plocal serve names.",
                "wrong_origin",
            )
        if self._token is None or request.url.path == "/health":
            return None
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self._token):
            return None
        return Rejected(
            401,
            "The API key is missing or wrong: it is the server's token.",
            "invalid_api_key",
            {"www-authenticate": "Bearer"},
        )


def _slash_or_none(inner: ASGIApp) -> ASGIApp:
    """`inner`, which is called by a path without a slash at its end, whether there was one or not."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.endswith("/"):
            scope = {**scope, "path": path.rstrip("/") or "/"}
        await inner(scope, receive, send)

    return asgi


def _described(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "plocal"}


async def _nowhere(request: Request, _error: Exception) -> JSONResponse:
    what = f"{request.method} {request.url.path[:80]}"
    return refused(Rejected(404, f"There is no {what}. Ask POST /v1/chat/completions.", "no_such_path"))


async def _not_so(request: Request, error: Exception) -> JSONResponse:
    """The path is there, and takes other methods, which the toolkit names."""
    allowed = (getattr(error, "headers", None) or {}).get("Allow", "")
    ways = " or ".join(sorted(set(allowed.split(", ")) - {"HEAD"}))
    sentence = f"{request.url.path[:80]} is asked with {ways}, not with {request.method}."
    return refused(Rejected(405, sentence, "no_such_method", {"allow": allowed}))


def refused(error: PlocalError | Rejected) -> JSONResponse:
    """What is sent instead of an answer."""
    status, body, headers = replies.problem(error)
    return JSONResponse(body, status, headers)


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False, allow_nan=False)}\n\n"
