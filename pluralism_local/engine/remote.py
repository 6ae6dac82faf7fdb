"""A black-box LLM behind an OpenAI-compatible server: chat, streaming, and what `top_logprobs` shows.

    Request ──> chat/completions, streamed ──> TextStarted, TextDelta…, TextDone
    OptionRequest ──> chat/completions, one token with top_logprobs ──> bounded() ──> OptionDistribution

Requests go out one after the other, or as many at once as `RemoteOptions.parallel` says, over connections that live as
long as the call (`remote_line`). The engine is synchronous; it cannot be called from a thread whose own event loop is
running.

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

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Self

from pluralism_local.api_keys import ApiKey, general_key
from pluralism_local.engine import gbnf, remote_together
from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.remote_adapters import ServedAdapters, VllmAdapters, of_llama_server
from pluralism_local.engine.remote_answer import RemoteAnswer
from pluralism_local.engine.remote_client import reach
from pluralism_local.engine.remote_fields import Dialect, Payload
from pluralism_local.engine.remote_line import Line, Stopped
from pluralism_local.engine.remote_protocol import (
    RemoteOptions,
    grammar_fields,
    message_fields,
    one_token_only,
    refuse_adapters,
    sampling_fields,
)
from pluralism_local.engine.remote_refusals import (
    no_grammar,
)
from pluralism_local.engine.remote_stream import is_json
from pluralism_local.engine.remote_weighing import Weighing
from pluralism_local.engine.stream import TextStream
from pluralism_local.errors import Cancelled, EngineFailure
from pluralism_local.remote_url import parse_spec
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
    TextStarted,
)


class RemoteEngine(LanguageModel):
    """A chat model on an OpenAI-compatible server. Nothing is sent before the first call.

    Args:
        url: ``http(s)://host[:port]``, to which ``/v1`` is added, or with a path, which is taken as it is.
            Basic credentials (``user:password@``) are sent, and never shown.
        model: its name at the server; None takes the only one of ``GET models`` when it is first needed.
        api_key: sent as bearer token; None reads PLOCAL_REMOTE_KEY, an empty one sends none. An `ApiKey` says where
            it is from, too.
        timeout: seconds of silence after which a request has failed; wins over that of `options`.
        options: what is known of the server; see `RemoteOptions`.

    `TextStarted.prompt_tokens` is 0: a server tells the prompt's length last, if at all. `Usage` is the
    server's own where it gives one; else `completion` counts the pieces of text it sent, and `prompt` is 0.

    Raises:
        InvalidInput: the URL or the key cannot be used.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        api_key: str | ApiKey | None = None,
        timeout: float | None = None,
        options: RemoteOptions = RemoteOptions(),  # noqa: B008 - frozen
    ) -> None:
        where = parse_spec(url)
        self._access, self._server = reach(where, general_key(os.environ) if api_key is None else api_key)
        self._url, self._model = where.address, model or where.model
        self._dialect = Dialect()
        self._options = options
        self._timeout = options.timeout if timeout is None else timeout
        self._adapters: ServedAdapters | None = None
        self._weighing = Weighing(options, self._server)
        self._takes_grammars: bool | None = None  # until it was asked
        self._closed = False

    @classmethod
    def from_spec(
        cls,
        spec: str,
        *,
        api_key: str | ApiKey | None = None,
        options: RemoteOptions = RemoteOptions(),  # noqa: B008
    ) -> Self:
        """From ``URL[#model]``, with or without a leading ``remote:``; the rest as for the class."""
        return cls(spec, api_key=api_key, options=options)

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
        """Adapters where the options say how; only the most probable tokens are seen; JSON by its schema."""
        gives_none = self._options.logprobs == "no" and not self._options.samples
        return Capabilities(
            adapters=self._options.adapters != "none",
            distribution="none" if gives_none else "bounded",
            batched=self._options.parallel > 1,
            counts_tokens=False,
            grammars="json",
        )

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """As `LanguageModel.generate`; closing the iterator closes the connection."""
        self._check_adapters(requests)
        for grammar in (request.grammar for request in requests):
            if grammar is not None:
                gbnf.check(grammar.gbnf)
        with self._connected(should_stop) as line:
            if any(request.grammar and request.grammar.schema is None for request in requests):
                self._require_grammars(line)
            if len(requests) == 1 or self._options.parallel == 1:
                for index, request in enumerate(requests):
                    yield from self._answer(line, index, request)
                return
            with suppress(Stopped):  # the answers will say so
                self._prepare(line)
        works = [partial(self._answered, index, request) for index, request in enumerate(requests)]
        yield from remote_together.run(works, self._options.parallel, should_stop)

    def _answered(self, index: int, request: Request, should_stop: ShouldStop) -> Iterator[EngineEvent]:
        """As `generate` for one request, over a connection of its own."""
        with self._connected(should_stop) as line:
            yield from self._answer(line, index, request)

    def _check_adapters(self, requests: Sequence[Request] | Sequence[OptionRequest]) -> None:
        """Raises: Unsupported"""
        if self._options.adapters == "none":
            refuse_adapters(requests)

    def _prepare(self, line: Line) -> None:
        """Ask the server what has to be known before anything else: its model's name, its adapters."""
        self._model = self._model or line.only_model()
        if self._adapters is None and self._options.adapters == "llama-server":
            self._adapters = of_llama_server(line.llama_server_adapters(), self._server)
        elif self._adapters is None and self._options.adapters == "vllm":
            self._adapters = VllmAdapters(frozenset(line.model_names()) - {self._model})

    def _require_grammars(self, line: Line) -> None:
        """Raises: Unsupported"""
        with suppress(Stopped):  # the answers will say so
            if self._takes_grammars is None:
                self._takes_grammars = line.takes_grammars()
            if not self._takes_grammars:
                raise no_grammar(self._server)

    def _answer(self, line: Line, index: int, request: Request) -> Iterator[EngineEvent]:
        began = time.perf_counter()
        answer = RemoteAnswer(request, self._server)
        try:
            payload = self._payload(line, request) | sampling_fields(request.sampling)
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
        if has_schema and finish == "stop" and not is_json(answer.thoughts.answer):
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

        Where the server shows none and `RemoteOptions.samples` is set, so many answers are drawn and counted; see
        `remote_samples`.

        Raises:
            Unsupported: the server gives no logprobs, an option takes several tokens, or there is an adapter.
            Cancelled: `should_stop` turned true before all were done.
            RemoteFailure: as the module says.
        """
        weighed = dict(self.distributions(requests, should_stop=should_stop))
        return [weighed[index] for index in range(len(requests))]

    def distributions(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> Iterator[tuple[int, OptionDistribution]]:
        """As `distribution`, each as the server gives it; closing the iterator closes the connections."""
        self._check_adapters(requests)
        if not self._options.samples:
            for option in (option for request in requests for option in request.options):
                if len(option.split()) > 1:
                    raise one_token_only(option)
        try:
            with self._connected(should_stop) as line:
                if len(requests) == 1 or self._options.parallel == 1:
                    for index, request in enumerate(requests):
                        yield index, self._weigh(line, request)
                    return
                self._prepare(line)
            works = [partial(self._weighed, index, request) for index, request in enumerate(requests)]
            yield from remote_together.run(works, self._options.parallel, should_stop)
        except Stopped:
            raise Cancelled() from None

    def _weighed(
        self, index: int, request: OptionRequest, should_stop: ShouldStop
    ) -> Iterator[tuple[int, OptionDistribution]]:
        """As `distribution` for one request, over a connection of its own."""
        with self._connected(should_stop) as line:
            yield index, self._weigh(line, request)

    def _weigh(self, line: Line, request: OptionRequest) -> OptionDistribution:
        weighed = self._weighing.weigh(line, self._payload(line, request), request.options)
        return replace(weighed, warnings=self._remarks)

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
        if not self._server.renewal or self._access.where.loopback or self._url.startswith("https:"):
            return ()
        return (
            f"The API key goes to {self._url} unencrypted, where others on the way can read it; use https://.",
        )

    def _payload(self, line: Line, request: Request | OptionRequest) -> Payload:
        self._prepare(line)
        payload = {"model": self._model} | message_fields(request.messages)
        return (
            payload
            if self._adapters is None
            else payload | self._adapters.fields(request.adapter, self._server)
        )

    @contextmanager
    def _connected(self, should_stop: ShouldStop) -> Iterator[Line]:
        """A line for one call; what it learns about the server is remembered."""
        if self._closed:
            raise EngineFailure("This remote engine is closed.")
        dialect = self._dialect
        line = Line(self._access.client(self._timeout), self._server, dialect, should_stop, self._timeout)
        with line:
            try:
                yield line
            finally:
                # another line, at the same time, may have learned what this one did not
                if line.dialect != dialect:
                    self._dialect = line.dialect
