"""A deterministic stand-in for a language model: for demonstrations, and for tests of all but the text.

    Request ──> first matching reply of the `script`, else text derived from a hash (`invented`) ──> one delta per word
    OptionRequest ──> first matching entry of the script, else masses derived from a hash

A token is a word. Everything else is kept as a real engine has it: the context overflows, `max_tokens`
cuts off, stop texts end, a JSON schema is followed (where the text is derived; a script's replies are its author's
own), the seed matters when the temperature is above 0, an adapter at scale 0 is the base, other scales change the text,
stopping keeps what there was. It is used when asked for by name (``-m scripted:``) and never in place of something
else.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Self

from pluralism_local.engine import gbnf
from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.invented import digest_of, invent, unit
from pluralism_local.engine.json_grammar import example
from pluralism_local.engine.script import Script, first_match, read_script
from pluralism_local.engine.thoughts import ThoughtSplitter
from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    EngineFailure,
    Unsupported,
)
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Finish,
    Grammar,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
    TextStarted,
    Usage,
)

EVERYTHING = Capabilities(
    adapters=True, distribution="exact", batched=True, counts_tokens=True, grammars="json"
)
HEADER_TOKENS = 4  # what each message costs beside its words, and the answer's header once


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the engine, as recorded in `ScriptedEngine.calls`."""

    kind: Literal["generate", "distribution"]
    requests: tuple[Request, ...] | tuple[OptionRequest, ...]


class ScriptedEngine(LanguageModel):
    """A `LanguageModel` that computes nothing but hashes. See the module for what it promises.

    Args:
        script: a JSON file of replies; None derives everything from the requests.
        capabilities: pretend to be able to do less.
        context: tokens (words) that prompt and answer may take together.
        record: keep every call in `calls`.

    Raises:
        NotFound: `script` is not there.
        InvalidInput: `script` is no script; the message names the place.
    """

    def __init__(
        self,
        script: Path | None = None,
        *,
        capabilities: Capabilities = EVERYTHING,
        context: int = 4096,
        record: bool = False,
    ) -> None:
        self._script = Script() if script is None else read_script(script)
        self._info = ModelInfo(f"scripted:{script or ''}", "scripted", context=context)
        self._capabilities = capabilities
        self._context = context
        self._record = record
        self._closed = False
        self.calls: list[Call] = []

    @classmethod
    def from_spec(cls, spec: str) -> Self:
        """From what follows ``scripted:``, a script's path or nothing."""
        return cls(Path(spec).expanduser() if spec else None)

    @property
    def info(self) -> ModelInfo:
        """Id ``scripted:`` or ``scripted:FILE``; no file, hence no hash."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """Everything, unless told to pretend otherwise."""
        return self._capabilities

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """As the protocol says; requests take turns, one word each."""
        self._begin("generate", tuple(requests))
        for request in requests:
            self._check(request.messages, request.adapter, request.sampling.max_tokens)
            self._check_grammar(request.grammar)
        started = time.perf_counter()
        answers = [self._answer(request) for request in requests]
        spoken: list[list[str]] = [[] for _ in requests]
        replies = [ThoughtSplitter() for _ in requests]
        for index, request in enumerate(requests):
            yield TextStarted(index, _length(request.messages), 0)
        running = list(range(len(requests)))
        while running:
            stopped = should_stop()
            for index in tuple(running):
                words, finish = answers[index]
                if not stopped and len(spoken[index]) < len(words):
                    word = words[len(spoken[index])]
                    spoken[index].append(word)
                    yield from replies[index].deltas(index, word)
                    continue
                running.remove(index)
                usage = Usage(_length(requests[index].messages), 0, len(spoken[index]))
                if stopped and len(spoken[index]) < len(words):
                    finish = "cancelled"
                yield from replies[index].last_deltas(index)
                seconds = time.perf_counter() - started
                reply = replies[index]
                completion = Completion(reply.answer, finish, usage, seconds, thought=reply.thought)
                yield TextDone(index, completion)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """As the protocol says; `method` is ``"scripted"``."""
        self._begin("distribution", tuple(requests))
        if self._capabilities.distribution == "none":
            raise Unsupported("This scripted model was told not to give probabilities.")
        distributions = []
        for request in requests:
            self._check(request.messages, request.adapter, 1)
            if should_stop():
                raise Cancelled
            distributions.append(self._weigh(request))
        return distributions

    def count_tokens(
        self,
        messages: Sequence[Message],
        adapter: AdapterRef | None = None,  # noqa: ARG002 -- it acts on any prompt
    ) -> int | None:
        """Words, and `HEADER_TOKENS` for each message and for the answer's header."""
        return _length(messages) if self._capabilities.counts_tokens else None

    def forget(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Refuse further work."""
        self._closed = True

    def _begin(
        self,
        kind: Literal["generate", "distribution"],
        requests: tuple[Request, ...] | tuple[OptionRequest, ...],
    ) -> None:
        if self._closed:
            raise EngineFailure("The scripted model has been closed.")
        if self._record:
            self.calls.append(Call(kind, requests))

    def _check(self, messages: tuple[Message, ...], adapter: AdapterRef | None, room: int) -> None:
        if adapter is not None and not self._capabilities.adapters:
            raise Unsupported("This scripted model was told not to take adapters.")
        needed = _length(messages) + room
        if needed > self._context:
            raise ContextOverflow(
                f"The prompt and the answer need {needed:,} tokens; the context holds {self._context:,}.",
                "Shorten the prompt or lower --max-tokens.",
                needed=needed,
                available=self._context,
            )

    def _check_grammar(self, grammar: Grammar | None) -> None:
        if grammar is None:
            return
        gbnf.check(grammar.gbnf)
        if self._capabilities.grammars == "none":
            raise Unsupported("This scripted model was told not to take grammars.")
        if grammar.schema is None:
            raise Unsupported("The scripted model follows JSON schemas, and no other grammars.")

    def _answer(self, request: Request) -> tuple[list[str], Finish]:
        """The words that will be said and how the text ends."""
        seed = str(request.sampling.seed) if request.sampling.temperature > 0 else "greedy"
        adapter = _in_effect(request.adapter)
        reply = first_match(self._script.replies, request.messages, adapter)
        if reply is not None:
            text = reply.text
        elif request.grammar is not None and request.grammar.schema is not None:
            digest = digest_of(request.messages, adapter, seed)
            text = json.dumps(example(request.grammar.schema, partial(unit, digest)), ensure_ascii=False)
        else:
            text = invent(request.messages, digest_of(request.messages, adapter, seed))
        pieces = re.findall(r"\s*\S+|\s+$", text)
        answer = "".join(pieces[: request.sampling.max_tokens])
        finish: Finish = "length" if len(pieces) > request.sampling.max_tokens else "stop"
        ends = [position for stop in request.sampling.stop if (position := answer.find(stop)) >= 0]
        if ends:
            answer, finish = answer[: min(ends)], "stop"
        return re.findall(r"\s*\S+|\s+$", answer), finish

    def _weigh(self, request: OptionRequest) -> OptionDistribution:
        adapter = _in_effect(request.adapter)
        scripted = first_match(self._script.distributions, request.messages, adapter)
        if scripted is not None:
            mass = tuple(scripted.mass.get(option.strip(), 0.0) for option in request.options)
        else:
            digest = digest_of(request.messages, adapter, "options")
            logits = [unit(digest, option.strip()) * 3 for option in (*request.options, "\0none of them")]
            total = sum(math.exp(logit) for logit in logits)
            mass = tuple(math.exp(logit) / total for logit in logits[:-1])
        assigned = sum(mass)
        count = len(mass)
        return OptionDistribution(
            options=request.options,
            p=tuple(value / assigned for value in mass) if assigned > 0 else (1 / count,) * count,
            mass=mass,
            unassigned_mass=min(1.0, max(0.0, 1 - assigned)),
            bounds=tuple((value, value) for value in mass),
            method="scripted" if assigned > 0 else "uniform",
        )


def _in_effect(adapter: AdapterRef | None) -> AdapterRef | None:
    """None for one of scale 0, too: that is the base model itself."""
    return None if adapter is None or adapter.scale == 0 else adapter


def _length(messages: Sequence[Message]) -> int:
    return HEADER_TOKENS + sum(HEADER_TOKENS + len(message.content.split()) for message in messages)
