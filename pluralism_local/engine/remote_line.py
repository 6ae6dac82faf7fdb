"""The connections of one call to a server, and the event loop that waits on them.

    payload ──Dialect.spell──> request ──┬─ 2xx ──> its JSON texts ──read──> Reply…
                                         ├─ 400, 422, 500: a field that it does not take ──learn──> asked again
                                         ├─ 429, 5xx, a hang-up ──> asked again, three times
                                         └─ all else ──> refusal

Waiting is a task of a private event loop, so that `should_stop` is polled while a server is silent and a cancelled
wait closes its socket. A server that trickles, or sends nothing but comments, is given up like a silent one, only
later: it may be reading a long prompt.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Generator
from typing import Any, Self, TypeVar

import httpx2

from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.remote_environment import proxies
from pluralism_local.engine.remote_fields import Dialect, Payload
from pluralism_local.engine.remote_refusals import (
    NotTheProtocol,
    Server,
    no_logprobs,
    no_schema,
    not_the_protocol,
    refusal,
    retry_after,
    words,
)
from pluralism_local.engine.remote_reply import Reply, read, reports_error
from pluralism_local.engine.remote_stream import NoProtocol, TooMuch, answer_text, error_text, json_texts
from pluralism_local.errors import RemoteFailure

BACKOFF = (0.5, 1.0, 2.0)  # seconds before each retry
JITTER = 0.25  # of a delay, at most, more or less
POLL = 0.05  # seconds between two looks at should_stop
HANG_UPS = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)  # e.g. of an idle connection
BUSY = frozenset({408, 425, 429})
_ABOUT_FORMAT = re.compile(r"response_?format|json_?schema|\bschema\b|\bgrammar\b", re.IGNORECASE)
ABOUT_THE_REQUEST = frozenset({400, 413, 415, 422, 500, 501})  # statuses of refusals that name a field
PATIENCE = 5  # times the timeout, for what is not silent and yet sends nothing of an answer
SECONDS_PER_TOKEN = 4.0  # the slowest whole answer: slower than large models on a processor

T = TypeVar("T")


class Stopped(Exception):
    """`should_stop` turned true."""


class Line:
    """A client, used by one call.

    Attributes:
        dialect: how the server wants to be asked, as far as it is known by now.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        server: Server,
        dialect: Dialect,
        should_stop: ShouldStop,
        timeout: float,
    ) -> None:
        self.dialect = dialect
        self._client = client
        self._server = server
        self._chat = f"{server.url}/chat/completions"
        self._should_stop = should_stop
        self._patience = PATIENCE * timeout
        self._seconds_left = 0.0
        self._stopped = False
        self._runner = asyncio.Runner()
        self._listed: Reply | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._runner:
            self._run(self._client.aclose())

    def only_model(self) -> str:
        """The name of the server's only model."""
        return self._models().only_model(self._server)

    def model_names(self) -> list[str]:
        """The names of all models that the server lists."""
        return [model.id for model in self._models().data]

    def llama_server_adapters(self) -> str:
        """What a llama-server says of its adapters, as JSON text; its path for that lies beside ``/v1``."""
        return self._text("GET", f"{self._server.url.removesuffix('/v1')}/lora-adapters", {})

    def takes_grammars(self) -> bool:
        """Whether the server is one that binds its replies to GBNF."""
        return self._models().takes_grammars

    def _models(self) -> Reply:
        """What the server lists, asked for once."""
        if self._listed is None:
            self._listed = read(self._text("GET", f"{self._server.url}/models", {}), self._server)
        return self._listed

    def ask(self, payload: Payload) -> Reply:
        """One answer, whole."""
        text = self._text("POST", self._chat, payload)
        while reports_error(text) and (learned := self._lesson(self.dialect, text, payload)):
            self.dialect = learned
            text = self._text("POST", self._chat, payload)
        reply = read(text, self._server)
        if not reply.choices:
            raise not_the_protocol(text, self._server)
        return reply

    def replies(self, payload: Payload) -> Generator[Reply, None, None]:
        """The chunks of a streamed answer; of a stream without any, the answer asked again in one piece."""
        while learned := (yield from self._streamed(payload)):
            self.dialect = learned

    def _streamed(self, payload: Payload) -> Generator[Reply, None, Dialect | None]:
        """As `replies`; returns what is to be tried if all that came is the refusal of a field."""
        streamed = payload | {"stream": True, "stream_options": {"include_usage": True}}
        self._expect(payload)
        first: str | None = None
        answers = False
        response = self._wait(self._open("POST", self._chat, streamed))
        texts = json_texts(response)
        try:
            while (text := self._wait(_next(texts))) is not None:
                refused = first is None and reports_error(text)
                if refused and (learned := self._lesson(self.dialect, text, streamed)):
                    return learned
                reply = self._read_piece(text, begun=answers)
                if first is None and not reply.done:
                    first = text
                answers = answers or bool(reply.choices)
                yield reply
        finally:
            self._run(_close(texts, response))
        if first is None:
            yield self.ask(payload)
        elif not answers:
            raise not_the_protocol(first, self._server)
        return None

    def _lesson(self, dialect: Dialect, body: str, payload: Payload) -> Dialect | None:
        """How to ask again after a refusal; None if it is not about how it was asked.

        Raises:
            Unsupported: the server has no probabilities, or takes no JSON schema, and that was asked for.
        """
        learned = dialect.learn(body, payload)
        if learned is None and "response_format" in payload and _ABOUT_FORMAT.search(body):
            raise no_schema(self._server, self._server.quote(words(body)))
        if learned is None and "logprobs" in payload and "logprob" in body:
            raise no_logprobs(self._server, self._server.quote(words(body)))
        return learned

    def _read_piece(self, text: str, *, begun: bool) -> Reply:
        """One JSON text of a stream; within an answer, one that is none means that the answer broke off."""
        try:
            return read(text, self._server)
        except NotTheProtocol as error:
            if begun:
                raise RemoteFailure(
                    f"The server {self._server.url} broke off within its answer: "
                    f"'{self._server.quote(text, 80)}' is not JSON.",
                    "Ask again.",
                ) from error
            raise

    def _expect(self, payload: Payload) -> None:
        """Set how long an answer to `payload` may be waited for, all in all."""
        self._seconds_left = self._patience + payload.get("max_tokens", 1) * SECONDS_PER_TOKEN

    def _text(self, method: str, url: str, payload: Payload) -> str:
        self._expect(payload)

        async def body() -> str:
            return await answer_text(await self._open(method, url, payload))

        return self._wait(body())

    async def _open(self, method: str, url: str, payload: Payload) -> httpx2.Response:
        """Send, as often as learning and retrying make sense; the body of the answer is still to be read.

        What is learned counts from the first answer on that comes of it.
        """
        dialect = self.dialect
        delays = iter(BACKOFF)
        while True:
            sent = dialect.spell(payload)
            request = self._client.build_request(method, url, json=sent or None)
            try:
                response = await self._client.send(request, stream=True)
            except HANG_UPS:
                if (delay := next(delays, None)) is None:
                    raise
                await asyncio.sleep(_spread(delay))
                continue
            if response.is_success:
                self.dialect = dialect
                return response
            status, body = response.status_code, await error_text(response)
            if status in ABOUT_THE_REQUEST and payload and (learned := self._lesson(dialect, body, payload)):
                dialect = learned
                continue
            delay = next(delays, None) if status in BUSY or status >= 500 else None
            if delay is None:
                target = response.headers.get("location", "") if 300 <= status < 400 else ""
                raise refusal(status, body, self._server, target)
            least = retry_after(response.headers.get("retry-after", ""))
            await asyncio.sleep(max(_spread(delay), least))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. If `should_stop` turns true first, cancels it and raises Stopped."""
        task = self._runner.get_loop().create_task(work)
        began = time.monotonic()
        latest = began + min(self._seconds_left, self._patience)
        try:
            while not task.done():
                self._stopped = self._stopped or self._should_stop()
                if self._stopped:
                    raise Stopped
                if time.monotonic() > latest:
                    raise self._too_slow()
                self._run(asyncio.wait({task}, timeout=POLL))
            return task.result()
        except (httpx2.HTTPError, OSError) as error:
            raise failure(error, self._server) from error
        except TooMuch as error:
            raise RemoteFailure(
                f"The server {self._server.url} sent far more than an answer can have, and was left.",
                "Check that the URL is that of the API, usually ending in /v1.",
            ) from error
        except NoProtocol as error:
            raise not_the_protocol(error.text, self._server) from error
        finally:
            self._seconds_left -= time.monotonic() - began
            task.cancel()  # of no effect once it is done
            self._run(asyncio.gather(task, return_exceptions=True))

    def _too_slow(self) -> RemoteFailure:
        return RemoteFailure(
            f"The server {self._server.url} kept the connection alive and did not get on with its answer.",
            "It may be overloaded: ask again, or for less.",
        )

    def _run(self, work: Awaitable[T]) -> T:
        return self._runner.get_loop().run_until_complete(work)


def _spread(delay: float) -> float:
    """A delay a little shorter or longer, so that clients which failed together do not come back together."""
    return delay * random.uniform(1 - JITTER, 1 + JITTER)


async def _next(texts: AsyncGenerator[str, None]) -> str | None:
    return await anext(texts, None)


async def _close(texts: AsyncGenerator[str, None], response: httpx2.Response) -> None:
    await texts.aclose()
    await response.aclose()


def failure(error: httpx2.HTTPError | OSError, server: Server) -> RemoteFailure:
    """What a broken connection means."""
    reason = server.quote(str(error))
    named = ", ".join(proxies(os.environ))
    if "[SSL" in reason:
        return RemoteFailure(f"There is no secure connection to {server.url} ({reason}).", _of_tls(reason))
    if isinstance(error, httpx2.ProxyError) or (named and isinstance(error, httpx2.ConnectError)):
        return RemoteFailure(
            f"The server {server.url} cannot be reached ({reason or 'no answer'}); a proxy is set by {named}.",
            "Check that the proxy is running, or name the server in NO_PROXY.",
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return RemoteFailure(
            f"The server {server.url} cannot be reached ({reason or 'timeout'}).",
            "Check that it is running, and its address and port.",
        )
    if isinstance(error, httpx2.TimeoutException):
        return RemoteFailure(
            f"The server {server.url} fell silent.", "It may be overloaded: ask again, or for less."
        )
    return RemoteFailure(
        f"The connection to {server.url} broke: {reason or type(error).__name__}.",
        "Ask again; if it stays so, check the address, http:// or https://.",
    )


def _of_tls(reason: str) -> str:
    """What to do about a connection that could not be made secure."""
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return (
            "If you trust the server, set SSL_CERT_FILE to the certificate that it, or its authority, shows."
        )
    return "Check the address: the server may speak http:// there, and not https://."
