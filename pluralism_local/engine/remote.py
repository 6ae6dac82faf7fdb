"""A black-box LLM behind an OpenAI-compatible server: chat, streaming, and what `top_logprobs` shows.

    Request ──> chat/completions, streamed ──> TextStarted, TextDelta…, TextDone
    OptionRequest ──> chat/completions, one token with top_logprobs ──> bounded() ──> OptionDistribution

Requests go out one after the other over connections that live as long as the call. The engine is synchronous;
inside, each wait is a task of a private event loop, so that `should_stop` is polled while a server is silent
and a cancelled wait closes its socket. So it cannot be called from a thread whose own event loop is running.

Failures: an unreachable server, a refused key, a wrong path, a silent, garbled or cut answer: RemoteFailure;
429, 5xx and a hang-up only after three retries. A cut answer is never passed off as a whole one. The API key
and the credentials of a URL appear in no message.

What the protocol has no field for (top-k, min-p, repetition penalty) stays at the server's own defaults.
Quirks of ``python -m llama_cpp.server``: logprobs need ``--logits_all true``; no usage while streaming; a
prompt longer than its context ends the stream without a word (so an empty stream is asked again without
streaming, which says why); the drawn token joins the top list even where it ranks far below.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from ssl import SSLContext
from typing import Any, Self, TypeVar

import httpx2

from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.remote_protocol import (
    FIRST_TOKEN_FIELDS,
    Reply,
    bounded,
    message_fields,
    no_logprobs,
    one_token_only,
    read,
    refusal,
    refuse_adapters,
    retry_after,
    sampling_fields,
)
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput, RemoteFailure
from pluralism_local.remote_url import parse_spec
from pluralism_local.types import (
    Completion,
    EngineEvent,
    Finish,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDelta,
    TextDone,
    TextStarted,
    Usage,
)

BACKOFF = (0.5, 1.0, 2.0)  # seconds before each retry
POLL = 0.05  # seconds between two looks at should_stop
HANG_UPS = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)  # e.g. of an idle connection

T = TypeVar("T")


class RemoteEngine(LanguageModel):
    """A chat model on an OpenAI-compatible server. Nothing is sent before the first call.

    Args:
        url: ``http(s)://host[:port]``, to which ``/v1`` is added, or with a path, which is taken as it is.
            Basic credentials (``user:password@``) are sent, and never shown.
        model: its name at the server; None takes the only one of ``GET models`` when it is first needed.
        api_key: sent as bearer token; None reads PLOCAL_REMOTE_KEY, an empty one sends none.
        timeout: seconds of silence after which a request has failed.

    `TextStarted.prompt_tokens` is 0: a server tells the prompt's length last, if at all. `Usage` is the
    server's own where it gives one; else `completion` counts the pieces of text it sent, and `prompt` is 0.

    Raises:
        InvalidInput: the URL or the key cannot be used.
    """

    def __init__(
        self, url: str, model: str | None = None, *, api_key: str | None = None, timeout: float = 120.0
    ) -> None:
        where = parse_spec(url)
        self._url, self._loopback = where.address, where.loopback
        self._auth = httpx2.BasicAuth(*where.credentials) if where.credentials else None
        self._model = model or where.model
        self._key = (os.environ.get("PLOCAL_REMOTE_KEY", "") if api_key is None else api_key).strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise InvalidInput("The API key has unprintable characters.", "Set PLOCAL_REMOTE_KEY again.")
        self._timeout = timeout
        self._closed = False

    @classmethod
    def from_spec(cls, spec: str, *, api_key: str | None = None) -> Self:
        """From ``URL[#model]``, with or without a leading ``remote:``; `api_key` as for the class."""
        return cls(spec, api_key=api_key)

    @property
    def info(self) -> ModelInfo:
        """The model; asks the server for its name if none was given.

        Raises:
            InvalidInput: the server has several models, or none.
            RemoteFailure: it could not be asked.
        """
        if self._model is None:
            with self._connect(never) as line:
                self._model = line.only_model()
        return ModelInfo(f"remote:{self._url}#{self._model}", "remote")

    @property
    def capabilities(self) -> Capabilities:
        """No adapters; only the most probable tokens are seen; one request at a time."""
        return Capabilities(adapters=False, distribution="bounded", batched=False, counts_tokens=False)

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """As `LanguageModel.generate`; closing the iterator closes the connection."""
        refuse_adapters(requests)
        with self._connect(should_stop) as line:
            for index, request in enumerate(requests):
                yield from self._answer(line, index, request)

    def _answer(self, line: _Line, index: int, request: Request) -> Iterator[EngineEvent]:
        began = time.perf_counter()
        pieces: list[str] = []
        finish: Finish | None = None
        usage: Usage | None = None
        started = False
        try:
            payload = self._payload(line, request.messages) | sampling_fields(request.sampling)
            with closing(line.replies(payload)) as replies:
                for reply in replies:
                    if not started:
                        started = True
                        yield TextStarted(index, 0, 0)
                    if reply.text:
                        pieces.append(reply.text)
                        yield TextDelta(index, reply.text)
                    finish = reply.finish or finish
                    usage = reply.usage or usage
        except _Stopped:
            finish = "cancelled"
            if not started:
                yield TextStarted(index, 0, 0)
        if finish is None:
            raise RemoteFailure(f"The server {self._url} broke off within its answer.", "Ask again.")
        usage = usage or Usage(completion=len(pieces))
        yield TextDone(index, Completion("".join(pieces), finish, usage, time.perf_counter() - began))

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """Probabilities over one-token options, out of the `top_logprobs` of the first token; see `bounded`.

        One token is drawn at temperature 1: servers that report probabilities after temperature then report
        the model's own, and to the others it makes no difference. A draw that ends the answer at once has no
        token to show on some servers, so up to three seeds are tried.

        Raises:
            Unsupported: the server gives no logprobs, an option takes several tokens, or there is an adapter.
            Cancelled: `should_stop` turned true before all were done.
            RemoteFailure: as the module says.
        """
        refuse_adapters(requests)
        for option in (option for request in requests for option in request.options):
            if len(option.split()) > 1:
                raise one_token_only(option)
        try:
            with self._connect(should_stop) as line:
                return [self._weigh(line, request) for request in requests]
        except _Stopped:
            raise Cancelled() from None

    def _weigh(self, line: _Line, request: OptionRequest) -> OptionDistribution:
        payload = self._payload(line, request.messages) | FIRST_TOKEN_FIELDS
        for seed in range(3):
            reply = line.ask(payload | {"seed": seed})
            if reply.first_token is not None:
                return bounded(request.options, reply.first_token, self._url)
            if reply.text:
                break
        raise no_logprobs(self._url)

    def count_tokens(self, messages: Sequence[Message]) -> int | None:  # noqa: ARG002 -- the protocol's signature
        """None: the server's tokenizer is not known."""
        return None

    def forget(self) -> None:
        """What the server keeps is its own; nothing is kept here."""

    def close(self) -> None:
        """No connection outlives a call, so there is nothing to free; later calls raise EngineFailure."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _payload(self, line: _Line, messages: Sequence[Message]) -> dict[str, Any]:
        self._model = self._model or line.only_model()
        return {"model": self._model} | message_fields(messages)

    def _connect(self, should_stop: ShouldStop) -> _Line:
        if self._closed:
            raise EngineFailure("This remote engine is closed.")
        client = httpx2.AsyncClient(
            auth=self._auth if not self._key else None,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else None,
            verify=self._certificates,
            timeout=httpx2.Timeout(self._timeout, connect=min(self._timeout, 10.0)),
            trust_env=not self._loopback,  # no proxy for a server on this machine
        )
        return _Line(client, self._url, self._key, should_stop)

    @cached_property
    def _certificates(self) -> SSLContext:
        return httpx2.create_ssl_context()  # 60 ms, so once


class _Stopped(Exception):
    """`should_stop` turned true."""


class _Line:
    """The connections of one call, and the event loop that waits on them."""

    def __init__(self, client: httpx2.AsyncClient, url: str, secret: str, should_stop: ShouldStop) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._should_stop = should_stop
        self._stopped = False
        self._usage_on_request = True
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._runner:
            self._run(self._client.aclose())

    def only_model(self) -> str:
        """The name of the server's only model."""
        reply = read(self._wait(self._text("GET", "models", None)), self._url, self._secret)
        return reply.only_model(self._url)

    def ask(self, payload: dict[str, Any]) -> Reply:
        """One answer, whole."""
        return read(self._wait(self._text("POST", "chat/completions", payload)), self._url, self._secret)

    def replies(self, payload: dict[str, Any]) -> Generator[Reply, None, None]:
        """The chunks of a streamed answer; of a stream without any, the answer asked again in one piece."""
        empty = True
        response = self._wait(self._open("POST", "chat/completions", payload | {"stream": True}))
        events = aiter(httpx2.EventSource(response))
        try:
            while (event := self._wait(_next(events))) is not None and event.data != "[DONE]":
                empty = False
                yield read(event.data, self._url, self._secret)
        finally:
            self._run(response.aclose())
        if empty:
            yield self.ask(payload)

    async def _text(self, method: str, path: str, payload: dict[str, Any] | None) -> str:
        return await _body(await self._open(method, path, payload))

    async def _open(self, method: str, path: str, payload: dict[str, Any] | None) -> httpx2.Response:
        """Send, retrying 429, 5xx and a lost connection; the body of the answer is still to be read."""
        sent = dict(payload or {})
        if sent.get("stream") and self._usage_on_request:
            sent["stream_options"] = {"include_usage": True}
        delays = iter(BACKOFF)
        while True:
            request = self._client.build_request(method, f"{self._url}/{path}", json=sent or None)
            try:
                response = await self._client.send(request, stream=True)
            except HANG_UPS:
                if (delay := next(delays, None)) is None:
                    raise
                await asyncio.sleep(delay)
                continue
            if response.is_success:
                return response
            status, body = response.status_code, await _body(response)
            if "logprobs" in sent and "logprob" in body:
                raise no_logprobs(self._url)
            if "stream_options" in sent and "stream_options" in body:
                self._usage_on_request = False
                del sent["stream_options"]
                continue
            delay = next(delays, None) if status == 429 or status >= 500 else None
            if delay is None:
                raise refusal(status, body, self._url, self._secret)
            await asyncio.sleep(max(delay, retry_after(response.headers.get("retry-after", ""))))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. If `should_stop` turns true first, cancels it and raises _Stopped."""
        task = self._runner.get_loop().create_task(work)
        try:
            while not task.done():
                self._stopped = self._stopped or self._should_stop()
                if self._stopped:
                    raise _Stopped
                self._run(asyncio.wait({task}, timeout=POLL))
            return task.result()
        except httpx2.HTTPError as error:
            raise _failure(error, self._url) from error
        finally:
            task.cancel()  # of no effect once it is done
            self._run(asyncio.gather(task, return_exceptions=True))

    def _run(self, work: Awaitable[T]) -> T:
        return self._runner.get_loop().run_until_complete(work)


async def _next(events: AsyncIterator[httpx2.ServerSentEvent]) -> httpx2.ServerSentEvent | None:
    return await anext(events, None)


async def _body(response: httpx2.Response) -> str:
    try:
        return (await response.aread()).decode("utf-8", "replace")
    finally:
        await response.aclose()


def _failure(error: httpx2.HTTPError, url: str) -> RemoteFailure:
    """What a broken connection means."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return RemoteFailure(
            f"The server {url} cannot be reached ({error or 'timeout'}).",
            "Check that it is running, and its address and port.",
        )
    if isinstance(error, httpx2.TimeoutException):
        return RemoteFailure(
            f"The server {url} fell silent.", "It may be overloaded: ask again, or for less."
        )
    if isinstance(error, httpx2.SSEError):
        return RemoteFailure(f"The server {url} does not stream: {error}", "Check the URL.")
    return RemoteFailure(f"The connection to {url} broke: {error or type(error).__name__}.", "Ask again.")
