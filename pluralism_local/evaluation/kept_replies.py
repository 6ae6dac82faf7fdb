"""What a server has answered in a run, kept as it comes: no fault and no stop makes anybody ask, or pay, twice.

    engines ──keeping_replies──> engines, of which those behind a server are KeptReplies
    requests ──KeptReplies──┬─ known to the journal ──> its reply
                            └─ the others ──engine──> replies, each ──> RUN/replies.jsonl

An engine in this process computes a batch together and its numbers depend, by rounding, on what else is in it: a batch
that was cut short is computed again as a whole (see `journal`). A server answers each request by itself, so each reply
is kept by itself. What it was paid for stays a part of the answer's usage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.engine.borrowed import Borrowed, spoken_at_once
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.stored import StoredReply
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.files import digest
from pluralism_local.types import (
    Completion,
    EngineEvent,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
    Usage,
)

REPLIES_FILE = "replies.jsonl"


def answers_alone(info: ModelInfo) -> bool:
    """Whether a model's reply depends on its own request only, so that it may be kept by itself."""
    return info.backend == "remote"


class ReplyStore:
    """The journal of a run's replies, by key.

    Args:
        journal: open for writing; every reply is a batch of its own.

    Raises:
        InvalidInput: a record has another form.
    """

    def __init__(self, journal: Journal) -> None:
        check_records(StoredReply, journal.records, journal.path)
        self._journal = journal
        self._records = {record["key"]: record for record in journal.records}

    def text(self, key: str) -> Completion | None:
        """The text that was replied; None if none was yet."""
        record = self._records.get(key, {})
        if record.get("text") is None:
            return None
        return Completion(record["text"], record.get("finish", "stop"), Usage(**record.get("usage", {})), 0.0)

    def distribution(self, key: str, options: tuple[str, ...]) -> OptionDistribution | None:
        """The probabilities of these options; None if none were given yet."""
        record = self._records.get(key, {})
        if len(record.get("p", ())) != len(options):
            return None
        return OptionDistribution(
            options,
            tuple(record["p"]),
            tuple(record["mass"]),
            record.get("unassigned_mass", 0.0),
            tuple((low, high) for low, high in record["bounds"]),
            record.get("method", "top_logprobs"),
            n=record.get("n"),
        )

    def keep(self, key: str, reply: Mapping[str, Any]) -> None:
        """Write a reply; when this returns it survives a kill.

        Raises:
            OSError: no room.
        """
        record = {"key": key, **reply}
        self._journal.append([record])
        self._records[key] = record


@contextmanager
def keeping_replies(folder: Path, *engines: LanguageModel) -> Iterator[list[LanguageModel]]:
    """The engines in order, those that are asked over a connection with their replies kept in a folder's file.

    Raises:
        InvalidInput: that file has another form.
    """
    if not any(answers_alone(engine.info) for engine in engines):
        yield [*engines]
        return
    with Journal(folder / REPLIES_FILE) as journal:
        store = ReplyStore(journal)
        yield [KeptReplies(engine, store) if answers_alone(engine.info) else engine for engine in engines]


class KeptReplies(Borrowed):
    """An engine behind a server, whose replies are kept and not asked for again.

    Args:
        engine: of which `answers_alone` is true.
    """

    def __init__(self, engine: LanguageModel, store: ReplyStore) -> None:
        super().__init__(engine)
        self._store = store

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """The engine's events, those of kept replies first."""
        keys = [self._key(request, _text_fields(request)) for request in requests]
        missing = []
        for index, key in enumerate(keys):
            if (completion := self._store.text(key)) is None:
                missing.append(index)
            else:
                yield from spoken_at_once(index, completion)
        if not missing:
            return
        for event in self._engine.generate([requests[index] for index in missing], should_stop=should_stop):
            index = missing[event.index]
            if isinstance(event, TextDone) and event.completion.finish != "cancelled":
                self._store.keep(keys[index], _text_record(event.completion))
            yield replace(event, index=index)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """The engine's distributions."""
        weighed = dict(self.distributions(requests, should_stop=should_stop))
        return [weighed[index] for index in range(len(requests))]

    def distributions(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> Iterator[tuple[int, OptionDistribution]]:
        """The engine's distributions as they come, those that were kept first."""
        keys = [self._key(request, list(request.options)) for request in requests]
        missing = []
        for index, key in enumerate(keys):
            if (weighed := self._store.distribution(key, requests[index].options)) is None:
                missing.append(index)
            else:
                yield index, weighed
        if not missing:
            return
        still_to_ask = [requests[index] for index in missing]
        for place, weighed in self._engine.distributions(still_to_ask, should_stop=should_stop):
            index = missing[place]
            self._store.keep(keys[index], _distribution_record(weighed))
            yield index, weighed

    def _key(self, request: Request | OptionRequest, asked_for: object) -> str:
        adapter = request.adapter
        return digest(
            [
                model_key(self.info),
                None if adapter is None else [adapter.path.stem, adapter.sha256, adapter.scale],
                [[message.role, message.content] for message in request.messages],
                asked_for,
            ]
        )[:24]


def _text_fields(request: Request) -> dict[str, Any]:
    """All that a text depends on beside model and messages."""
    sampling = request.sampling
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop),
        "grammar": None if request.grammar is None else request.grammar.gbnf,
    }


def _text_record(completion: Completion) -> dict[str, Any]:
    return {"text": completion.text, "finish": completion.finish, "usage": completion.usage.record()}


def _distribution_record(weighed: OptionDistribution) -> dict[str, Any]:
    return {
        "p": list(weighed.p),
        "mass": list(weighed.mass),
        "unassigned_mass": weighed.unassigned_mass,
        "bounds": [list(pair) for pair in weighed.bounds],
        "method": weighed.method,
        "n": weighed.n,
    }
