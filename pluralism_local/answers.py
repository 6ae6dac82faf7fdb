"""Answers as scripts get them: one, and many that are computed as they are taken.

    Result | RequestFailure ──record_of──> JSON object ──> Answer
    questions ──16 at a time──> QuestionBatch ──> Answer…        FOLDER/answers.jsonl: {"key", "result"} …

A folder's answers are found by what they depend on (`QuestionBatch.key`), so that other questions, models and settings
may share it; a batch is written whole. Failures are not kept and are asked again.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from pluralism_local.agreement import Agreement
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.questions import QuestionBatch, StoredResult
from pluralism_local.evaluation.runner import CHUNK
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.records import from_record, to_record
from pluralism_local.results import Aggregate, Comment, Draws, Result, Round, Selection

ANSWERS_FILE = "answers.jsonl"


class Answer:
    """What became of a question.

    Attributes:
        question: as it was given.
        answer: the LLM's text, or the most probable option's; empty where there is none.
        comments: what the communities said, in the pool's order; `Comment.text` may be empty.
        distribution: `p[i]` in [0, 1] is the probability of `options[i]` and sums to 1, `per_community` has the same
            after each comment, `entropy_nats` lies in [0, ln n]; None where the answer is a text.
        selection: the community that the LLM chose (steerable, moe); None where none is.
        draws: many comments of each community, and which share of them takes which position; None without any.
        rounds: what was said in each round, the first comments as round 0, and what changed; empty without rounds.
        agreement: how far the voices agree on each statement, the chosen one first; None without a consensus.
        complete: whether nothing failed on the way.
        warnings: sentences about how the answer came to be.
        error: why there is no answer, in a sentence; None if there is one.
    """

    def __init__(self, record: dict[str, Any], question: str) -> None:
        self._record = record
        stored = from_record(record)
        error = record.get("error")
        self.question = question
        self.answer: str = stored.answer
        self.comments: tuple[Comment, ...] = stored.comments
        self.distribution: Aggregate | None = stored.distribution
        self.selection: Selection | None = stored.selection
        self.draws: Draws | None = stored.draws
        self.rounds: tuple[Round, ...] = stored.rounds
        self.agreement: Agreement | None = stored.agreement
        self.complete: bool = stored.complete
        self.warnings: tuple[str, ...] = stored.warnings
        self.error: str | None = None if error is None else error["message"]

    def __repr__(self) -> str:
        return f"Answer({self.question!r}, {self.answer or self.error!r})"

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `plocal ask --json`, schema plocal.result/1; of a failure, its code and message."""
        return self._record

    def row(self) -> dict[str, Any]:
        """A flat row for tables: question, answer, selected community, error, and ``"p(OPTION)"`` of each option."""
        shares: dict[str, float] = {}
        if self.distribution is not None:
            shares = dict(zip(self.distribution.options, self.distribution.p, strict=True))
        return {
            "question": self.question,
            "answer": self.answer,
            "selected": None if self.selection is None else self.selection.community,
            "error": self.error,
            **{f"p({option})": p for option, p in shares.items()},
        }


class Answers:
    """The answers to many questions, in order, computed as they are iterated over and then remembered.

    Iterate as often as you like: nothing is asked twice.
    """

    def __init__(
        self, batch: QuestionBatch, prefix: Sequence[str], questions: Iterable[str], folder: Path | None
    ) -> None:
        self._batch, self._warnings, self._folder = batch, tuple(prefix), folder
        self._questions = iter(questions)
        self._answers: list[Answer] = []
        self._ended: str | None = None  # why no more are computed; empty where these are all
        self._coming = self._compute()

    def __iter__(self) -> Iterator[Answer]:
        place = 0
        while True:
            if place == len(self._answers) and not self._compute_more():
                return
            yield self._answers[place]
            place += 1

    def to_frame(self) -> Any:
        """All answers, asked for if they were not yet: a pandas DataFrame where pandas is installed, else rows.

        Returns:
            A row per question with the columns of `Answer.row`; without pandas a list of dicts.

        Raises:
            PlocalError: as iterating does.
        """
        rows = [answer.row() for answer in self]
        if importlib.util.find_spec("pandas") is None:
            return rows
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame(rows)

    def close(self) -> None:
        """Compute no more of them; what there is stays."""
        if self._ended is None:
            self._ended = "the session was closed"
        self._coming.close()

    def _compute_more(self) -> bool:
        """Add a batch; whether there was one."""
        if self._ended == "":
            return False
        if self._ended is not None:
            raise InvalidInput(
                f"Only the first {len(self._answers)} answers were computed: {self._ended}.",
                "Call ask_many again; with a folder it goes on from there.",
            )
        try:
            self._answers += next(self._coming)
        except StopIteration:
            self._ended = ""
            return False
        except BaseException as error:
            self._ended = f"{error or type(error).__name__}".rstrip(".")
            raise
        return True

    def _compute(self) -> Generator[list[Answer], None, None]:
        """The next 16; cut from the whole list, so that what goes on computes in the batches of what did not stop."""
        with ExitStack() as stack:
            journal = None
            if self._folder is not None:
                journal = stack.enter_context(Journal(self._folder.expanduser() / ANSWERS_FILE))
                check_records(StoredResult, journal.records, journal.path)
            stored: dict[str, Record] = {
                record["key"]: record["result"] for record in (journal.records if journal else ())
            }
            while questions := list(islice(self._questions, CHUNK)):
                keys = [self._batch.key(question) for question in questions]
                missing = {
                    key: question for key, question in zip(keys, questions, strict=True) if key not in stored
                }
                results = self._batch.answer_all(list(missing.values()))
                records = {
                    key: record_of(result, self._warnings)
                    for key, result in zip(missing, results, strict=True)
                }
                if journal is not None:
                    journal.append(
                        [
                            {"key": key, "result": record}
                            for key, record in records.items()
                            if "error" not in record
                        ]
                    )
                yield [
                    Answer(records.get(key) or stored[key], question)
                    for key, question in zip(keys, questions, strict=True)
                ]


def record_of(result: Result | RequestFailure, prefix: Sequence[str]) -> dict[str, Any]:
    """The JSON object of a result, `prefix` before its warnings, or of a failure."""
    if isinstance(result, RequestFailure):
        return result.record()
    return to_record(replace(result, warnings=(*prefix, *result.warnings)))
