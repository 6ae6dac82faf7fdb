"""Texts that a larger model writes and reads for a recipe, each batch kept as it is finished.

    {key: (subject, Request)}, journal ──write_texts──> [(subject, Written)]; what the journal has is not written again
    [(question, text)], journal        ──stances──> P(yes), P(on topic) of each, as `plocal communities judge` has them

A key is made of all that a text depends on, so that a changed prompt or model is another text. Ctrl-C, a kill or the
end of the time loses a batch at most; the same command goes on. A text that fails is said and left for the next try.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from communitylm.progress import Say
from communitylm.training.bases import find_base
from pluralism_local.display.figures import duration
from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices import CommentVerdict, StanceJudge, judge_comments
from pluralism_local.files import digest
from pluralism_local.types import Request

BATCH = 24
"""Requests that are given to the engine together."""

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Written:
    """A text, without white space around it; `ended` is false where its tokens ran out."""

    text: str
    ended: bool


Writing = Callable[[Sequence[Request]], Sequence[Written | None]]
"""Writes a text for each request, None where one failed."""


@contextmanager
def open_writer(
    model: str, folder: Path, threads: int | None = None
) -> Iterator[tuple[LanguageModel, str, str]]:
    """The engine for a model, what its makers call it, and its identity.

    Args:
        model: ``"starter"`` or a ``.gguf`` file, relative to `folder`.
        threads: of the CPU; None for the physical cores.

    Raises:
        NotFound: no such model. InvalidInput: it is no GGUF.
    """
    from pluralism_local.engine.llama import LlamaEngine, LlamaOptions

    base = find_base(model, folder)
    if base.gguf is None:
        raise InvalidInput(f"{model} is no GGUF.", "Give 'starter' or a .gguf file.")
    with LlamaEngine(base.gguf, name=base.name, options=LlamaOptions(threads=threads)) as engine:
        yield engine, base.name, str(model_key(engine.info))


def text_key(model: str, request: Request) -> str:
    """Identity of a text: of the model, all messages and the sampling; 24 hex digits."""
    messages = [[message.role, message.content] for message in request.messages]
    return digest([model, messages, repr(request.sampling)])[:24]


def engine_writing(engine: LanguageModel, say: Say) -> Writing:
    """Writing by an engine of `plocal`; a text that fails is said.

    Raises:
        PlocalError: in writing, as `Asker.texts`.
    """
    asker = Asker(engine)

    def write(requests: Sequence[Request]) -> list[Written | None]:
        answers = asker.texts(requests)
        for failure in {answer.message for answer in answers if isinstance(answer, RequestFailure)}:
            say(f"A text failed: {failure}")
        return [
            None
            if isinstance(answer, RequestFailure)
            else Written(answer.text.strip(), answer.finish == "stop")
            for answer in answers
        ]

    return write


def write_texts(
    write: Writing,
    requests: Mapping[str, tuple[Subject, Request]],
    path: Path,
    *,
    seconds: float | None,
    say: Say,
    batch: int = BATCH,
) -> list[tuple[Subject, Written]]:
    """What each request is about and its text: those from the journal at `path`, then those written now.

    Args:
        requests: by their keys (`text_key`), each with what it is about.
        batch: so many are written together.
        seconds: no batch is begun after so many; None: until all are written.

    Raises:
        Refused: another process writes the journal. PlocalError: as `write`.
    """
    began = time.monotonic()
    with Journal(path) as journal:
        written = {
            entry["key"]: Written(entry["text"], entry["ended"])
            for entry in journal.records
            if entry["key"] in requests
        }
        missing = [key for key in requests if key not in written]
        for start in range(0, len(missing), batch):
            spent = time.monotonic() - began
            if seconds is not None and spent >= seconds:
                say(
                    f"The time is over at {len(written):,} of {len(requests):,} texts; the same command goes on."
                )
                break
            keys = missing[start : start + batch]
            answers = zip(keys, write([requests[key][1] for key in keys]), strict=True)
            texts = {key: text for key, text in answers if text is not None}
            journal.append(
                [{"key": key, "text": text.text, "ended": text.ended} for key, text in texts.items()]
            )
            written |= texts
            left = (time.monotonic() - began) / (start + len(keys)) * (len(missing) - start - len(keys))
            say(f"{len(written):,} of {len(requests):,} texts, {duration(left)} left")
    return [(requests[key][0], text) for key, text in written.items()]


def stances(
    engine: LanguageModel, pairs: Sequence[tuple[str, str]], path: Path, say: Say
) -> list[CommentVerdict | None]:
    """Of each (question, text) what the model reads in it; None where it gave no verdict. Journalled at `path`.

    Raises:
        Unsupported: the model gives no exact probabilities. PlocalError: as `judge_comments`.
    """
    judge = StanceJudge(engine)
    say(f"Reading {len(pairs):,} texts …")
    with Journal(path) as journal:
        verdicts = judge_comments(
            judge, journal, pairs, progress=lambda done, of: say(f"{done:,} of {of:,} read")
        )
    return [verdict if isinstance(verdict, CommentVerdict) else None for verdict in verdicts]
