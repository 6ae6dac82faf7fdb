"""How well a voice agrees with its own community's held-out texts: perplexity per word, beside the bare base's.

    FOLDER/ID.jsonl[.gz] rows {"text"} ──passages──> the first words of the first passages
    each passage, after one neutral prompt ──the engine's probability of that text──> exp(−ln p / words)

A voice through an adapter is prompted with nothing else, one through a persona with that. A community without a file is
left out. Whether a text was held out is the user's to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pluralism_local.communities import Member, Pool
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.sample_file import read_rows
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.voices.prompts import VOICE_PASSAGE
from pluralism_local.files import digest
from pluralism_local.modes.steps import Voice
from pluralism_local.types import AdapterRef, Message, OptionRequest

PASSAGES = 8
WORDS = 40
"""Of a passage: its probability still is a number (about e^-250), and is soon computed."""

_SUFFIXES = (".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class PassagePerplexity:
    """Perplexity per word, at least 1, of a community's passages under its voice and under the bare base."""

    id: str
    passages: int
    voice: float
    base: float

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"id": self.id, "passages": self.passages, "voice": self.voice, "base": self.base}


class StoredPassage(BaseModel):
    """Natural log of the probability of two passages; None where it is too small for a number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    ln: list[Annotated[float, Field(le=0)] | None]


def agreement(
    pool: Pool,
    engine: LanguageModel,
    folder: Path,
    journal: Journal,
    *,
    template: str = "auto",
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[PassagePerplexity]:
    """Of every member that has a file, in the pool's order; without those not reached.

    Raises:
        NotFound: no member has a file there.
        InvalidInput: a file has fewer than two passages of `WORDS` words.
        PlocalError: as the engine does; finished members stay.
    """
    check_records(StoredPassage, journal.records, journal.path)
    stored = {record["key"]: record["ln"] for record in journal.records}
    texts = {
        member.community.id: passages(path)
        for member in pool.members
        if (path := _file(folder, member.community.id)) is not None
    }
    if not texts:
        raise NotFound(
            f"{folder} has no passages of any community of the pool {pool.id}.",
            'Put them in files like ID.jsonl, a row {"text": "…"} each.',
        )
    asker = Asker(engine)

    def logs(requests: Sequence[OptionRequest]) -> list[float | None]:
        adapter = requests[0].adapter
        keys = [_key(engine, template, adapter, request) for request in requests]
        missing = [(key, request) for key, request in zip(keys, requests, strict=True) if key not in stored]
        answers = asker.distributions([request for _, request in missing])
        answered = {key: answer for (key, _), answer in zip(missing, answers, strict=True)}
        rows = {
            key: [None, None]
            if isinstance(answer, RequestFailure)
            else [math.log(mass) if mass > 0 else None for mass in answer.mass]
            for key, answer in answered.items()
        }
        passing = {
            key for key, answer in answered.items() if isinstance(answer, RequestFailure) and answer.may_pass
        }
        journal.append([{"key": key, "ln": row} for key, row in rows.items() if key not in passing])
        stored.update(rows)
        return [log for key in keys for log in stored[key]]

    agreements = []
    for member in pool.members:
        id = member.community.id
        if id not in texts:
            continue
        if should_stop():
            break
        voice, base = logs(_requests(member, texts[id])), logs(_requests(None, texts[id]))
        both = [(a, b) for a, b in zip(voice, base, strict=True) if a is not None and b is not None]
        if both:
            agreements.append(
                PassagePerplexity(
                    id,
                    len(both),
                    math.exp(-sum(a for a, _ in both) / len(both) / WORDS),
                    math.exp(-sum(b for _, b in both) / len(both) / WORDS),
                )
            )
        progress(len(agreements), len(texts))
    return agreements


def passages(path: Path) -> list[str]:
    """The first `WORDS` words of the first passages that have as many; an even number, at most `PASSAGES`.

    Raises:
        NotFound, InvalidInput: missing, unreadable, or fewer than two.
    """
    rows = (row.get("text") for row in read_rows(path))
    long = dict.fromkeys(
        " ".join(text.split()[:WORDS])
        for text in rows
        if isinstance(text, str) and len(text.split()) >= WORDS
    )
    first = list(long)[:PASSAGES]
    if len(first) < 2:
        raise InvalidInput(
            f"{path} has fewer than two passages of {WORDS} words.", 'Rows are objects like {"text": "…"}.'
        )
    return first[: len(first) // 2 * 2]


def _requests(member: Member | None, texts: Sequence[str]) -> list[OptionRequest]:
    """Two passages to a request; of the bare base without a member."""
    adapter = None if member is None else member.adapter
    persona = None if member is None else Voice(member, adapter).persona(VOICE_PASSAGE.text)
    system = () if persona is None else (persona,)
    messages = (*system, Message("user", VOICE_PASSAGE.render()))
    return [OptionRequest(messages, (a, b), adapter) for a, b in zip(texts[::2], texts[1::2], strict=True)]


def _key(engine: LanguageModel, template: str, adapter: AdapterRef | None, request: OptionRequest) -> str:
    about = None if adapter is None else [adapter.sha256, adapter.scale, adapter.activation]
    messages = [[message.role, message.content] for message in request.messages]
    return digest([model_key(engine.info), template, about, messages, list(request.options)])[:24]


def _file(folder: Path, id: str) -> Path | None:
    """The community's file, its name spelled with - or with _."""
    names = [f"{stem}{suffix}" for stem in (id, id.replace("-", "_")) for suffix in _SUFFIXES]
    return next((folder / name for name in names if (folder / name).is_file()), None)
