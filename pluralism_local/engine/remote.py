"""A black-box LLM behind an OpenAI-compatible server: chat, streaming, and what `top_logprobs` shows.

    Request ──> chat/completions, streamed ──> TextStarted, TextDelta…, TextDone
    OptionRequest ──> chat/completions, one token with top_logprobs ──> bounded() ──> OptionDistribution

Requests go out one after the other over connections that live as long as the call (`remote_line`). The engine is
synchronous; it cannot be called from a thread whose own event loop is running.

Failures: an unreachable server, a refused key, a wrong path, a silent, garbled or cut answer: RemoteFailure;
429, 5xx and a hang-up only after three retries. A cut answer is never passed off as a whole one; what came of it has
been given out as deltas. The API key and the credentials of a URL appear in no message.

What the protocol has no field for (top-k, min-p, repetition penalty) stays at the server's own defaults. A field of
ours that a server refuses is left out from then on (`remote_fields`), with a warning where that changes the answer.
Quirks of ``python -m llama_cpp.server``: logprobs need ``--logits_all true``; no usage while streaming; a
prompt longer than its context ends the stream without a word (so an empty stream is asked again without
streaming, which says why); the drawn token joins the top list even where it ranks far below.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, SSLError
from typing import Self

import httpx2

from pluralism_local.engine import gbnf
from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.remote_environment import Fault, certificate_faults, goes_direct, proxy_faults
from pluralism_local.engine.remote_fields import Dialect, Payload
from pluralism_local.engine.remote_line import Line, Stopped
from pluralism_local.engine.remote_protocol import (
    FIRST_TOKEN_FIELDS,
    bounded,
    grammar_fields,
    message_fields,
    one_token_only,
    refuse_adapters,
    sampling_fields,
)
from pluralism_local.engine.remote_refusals import (
    Server,
    no_first_token,
    no_grammar,
    no_logprobs,
    thinks_first,
)
from pluralism_local.engine.remote_reply import Reply, ending
from pluralism_local.engine.remote_secrets import Blotter
from pluralism_local.engine.stream import TextStream
from pluralism_local.engine.thoughts import Splitter
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.remote_url import parse_spec
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Finish,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
    TextStarted,
    Usage,
)

PIECES_PER_TOKEN = 16  # chunks that a server may send for each token it was allowed; some send each letter
MORE_PIECES = 64  # chunks without text, before and after the answer
LETTERS_PER_TOKEN = 256  # of the longest tokens there are; a server may send its whole answer in one chunk


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
        self._url, self._host, self._loopback = where.address, where.host, where.loopback
        self._auth = httpx2.BasicAuth(*where.credentials) if where.credentials else None
        self._model = model or where.model
        self._key = (os.environ.get("PLOCAL_REMOTE_KEY", "") if api_key is None else api_key).strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise InvalidInput("The API key has unprintable characters.", "Set PLOCAL_REMOTE_KEY again.")
        blot = Blotter.of_credentials(self._key, where.credentials)
        self._server = Server(self._url, blot, keyed=bool(self._key or where.credentials))
        self._dialect = Dialect()
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
            with self._connected(never) as line:
                self._model = line.only_model()
        return ModelInfo(f"remote:{self._url}#{self._model}", "remote")

    @property
    def capabilities(self) -> Capabilities:
        """No adapters; only the most probable tokens are seen; one request at a time; JSON by its schema."""
        return Capabilities(
            adapters=False, distribution="bounded", batched=False, counts_tokens=False, grammars="json"
        )

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """As `LanguageModel.generate`; closing the iterator closes the connection."""
        refuse_adapters(requests)
        for grammar in (request.grammar for request in requests):
            if grammar is not None:
                gbnf.check(grammar.gbnf)
        with self._connected(should_stop) as line:
            if any(request.grammar and request.grammar.schema is None for request in requests):
                self._require_grammars(line)
            for index, request in enumerate(requests):
                yield from self._answer(line, index, request)

    def _require_grammars(self, line: Line) -> None:
        """Raises: Unsupported"""
        with suppress(Stopped):  # the answers will say so
            if not line.takes_grammars():
                raise no_grammar(self._server)

    def _answer(self, line: Line, index: int, request: Request) -> Iterator[EngineEvent]:
        began = time.perf_counter()
        answer = _Answer(request, self._server)
        try:
            payload = self._payload(line, request.messages) | sampling_fields(request.sampling)
            payload |= grammar_fields(request.grammar)
            with closing(line.replies(payload)) as replies:
                for reply in replies:
                    if answer.pieces == 0:
                        answer.stops = TextStream(line.dialect.stops(request.sampling))
                        yield TextStarted(index, 0, 0)
                    yield from answer.thoughts.deltas(index, answer.add(reply))
                    if answer.cut:
                        break
            yield from answer.thoughts.deltas(index, answer.stops.finish())
            yield from answer.thoughts.last_deltas(index)
            finish, remarks = answer.ending()
        except Stopped:
            finish, remarks = "cancelled", ()
            if answer.pieces == 0:
                yield TextStarted(index, 0, 0)
        has_schema = request.grammar is not None and request.grammar.schema is not None
        if has_schema and finish == "stop" and not _is_json(answer.thoughts.answer):
            remarks = (*remarks, "The server did not keep to the JSON schema: its reply is no JSON.")
        warnings = (*self._remarks, *line.dialect.remarks(request.sampling), *remarks)
        completion = Completion(
            answer.thoughts.answer,
            finish,
            answer.spent,
            time.perf_counter() - began,
            warnings=warnings,
            thought=answer.thoughts.thought,
        )
        yield TextDone(index, completion)

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
            with self._connected(should_stop) as line:
                return [self._weigh(line, request) for request in requests]
        except Stopped:
            raise Cancelled() from None

    def _weigh(self, line: Line, request: OptionRequest) -> OptionDistribution:
        payload = self._payload(line, request.messages) | FIRST_TOKEN_FIELDS
        for seed in range(3):
            reply = line.ask(payload | {"seed": seed})
            if reply.thought and not reply.text:
                raise thinks_first(self._server)
            if reply.first_token is not None:
                found = bounded(request.options, reply.first_token, self._server)
                return replace(found, warnings=self._remarks)
            if reply.text:
                break
        raise no_first_token(self._server) if reply.ended_at_once else no_logprobs(self._server)

    def count_tokens(
        self,
        messages: Sequence[Message],  # noqa: ARG002 -- the protocol's signature
        adapter: AdapterRef | None = None,  # noqa: ARG002
    ) -> int | None:
        """None: the server's tokenizer is not known."""
        return None

    def forget(self) -> None:
        """What the server keeps is its own; nothing is kept here."""

    def close(self) -> None:
        """No connection outlives a call, so there is nothing to free; later calls raise EngineFailure."""
        self._closed = True

    @property
    def _remarks(self) -> tuple[str, ...]:
        """What is to be said of every answer of this server."""
        if not self._server.keyed or self._loopback or self._url.startswith("https:"):
            return ()
        return (
            f"The API key goes to {self._url} unencrypted, where others on the way can read it; use https://.",
        )

    def _payload(self, line: Line, messages: Sequence[Message]) -> Payload:
        self._model = self._model or line.only_model()
        return {"model": self._model} | message_fields(messages)

    @contextmanager
    def _connected(self, should_stop: ShouldStop) -> Iterator[Line]:
        """A line for one call; what it learns about the server is remembered."""
        if self._closed:
            raise EngineFailure("This remote engine is closed.")
        line = Line(self._client(), self._server, self._dialect, should_stop, self._timeout)
        with line:
            try:
                yield line
            finally:
                self._dialect = line.dialect

    def _client(self) -> httpx2.AsyncClient:
        direct = self._loopback or goes_direct(self._host, os.environ)
        if not direct:
            _raise_first(proxy_faults(os.environ))
        return httpx2.AsyncClient(
            auth=self._auth if not self._key else None,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else None,
            verify=self._certificates,
            timeout=httpx2.Timeout(self._timeout, connect=min(self._timeout, 10.0)),
            trust_env=not direct,  # no proxy for a server on this machine
        )

    @cached_property
    def _certificates(self) -> SSLContext:
        """What an encrypted connection trusts; nothing is read for one that is not."""
        if not self._url.startswith("https:"):
            return SSLContext(PROTOCOL_TLS_CLIENT)
        _raise_first(certificate_faults(os.environ))
        try:
            return httpx2.create_ssl_context()  # 60 ms, so once
        except (OSError, SSLError, ValueError) as error:
            raise InvalidInput(
                f"The certificates of this machine cannot be read: {error}.",
                "Set SSL_CERT_FILE to a file of certificates.",
            ) from error


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _raise_first(faults: Iterator[Fault]) -> None:
    for fault in faults:
        raise InvalidInput(fault.sentence, fault.hint)


class _Answer:
    """An answer as it comes in.

    Attributes:
        pieces: chunks so far.
        stops: what the text goes through; looks for the stop texts that the server does not.
        thoughts: what the text goes through next, and where a server's own field of thoughts goes.
        cut: nothing more is to be read.
    """

    def __init__(self, request: Request, server: Server) -> None:
        self.pieces = 0
        self.stops = TextStream()
        self.thoughts = Splitter()
        self.cut = False
        self._server = server
        self._most_pieces = request.sampling.max_tokens * PIECES_PER_TOKEN + MORE_PIECES
        self._most_letters = (request.sampling.max_tokens + MORE_PIECES) * LETTERS_PER_TOKEN
        self._texts = 0
        self._reason: str | None = None
        self._ends = False
        self._usage: Usage | None = None

    @property
    def spent(self) -> Usage:
        """The server's own counts; else the pieces of text."""
        return self._usage or Usage(completion=self._texts)

    def add(self, reply: Reply) -> str:
        """The text that a chunk makes certain; may be empty."""
        self.pieces += 1
        self._reason = reply.reason or self._reason
        self._ends = self._ends or reply.ends
        self._usage = reply.usage or self._usage
        self._texts += bool(reply.text or reply.thought)
        self.thoughts.think(reply.thought)
        text = self.stops.push(reply.text.encode("utf-8", "replace"))
        too_long = self.pieces >= self._most_pieces or len(self.stops.text) >= self._most_letters
        self.cut = self.stops.stopped or too_long
        return text

    def ending(self) -> tuple[Finish, tuple[str, ...]]:
        """How it ended, and sentences about what is strange with that; as `remote_reply.ending`."""
        if self.stops.stopped:
            return "stop", ()
        if self.cut and not self._ends and self._reason is None:
            return "length", ("The server did not stop at the limit of tokens, and was left.",)
        return ending(
            self._reason, self._server, ends=self._ends, text=bool(self.stops.text or self.thoughts.thought)
        )
