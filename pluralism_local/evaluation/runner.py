"""A run: methods over samples, chunk by chunk, every finished chunk kept for good.

    samples ──chunks──> for each: every method that lacks it ──BatchDriver──> outcomes ──one batch──> samples.jsonl
                                  └ comments ──one batch──> the comments' journal

    RUN/run.json        identity and how it was begun
    RUN/samples.jsonl   {"id", "method", "pred_distribution" | "output" | "error", how they came about, "usage"} …
    RUN/comments-MODEL.jsonl    what communities said, for other runs, too (see `shared_comments`)
    RUN/replies.jsonl   every reply of a server, as it came (see `kept_replies`)

All methods finish a chunk before the next begins, so a run that was stopped compares its methods on the same samples.
Chunks are cut from the whole list, never from what is missing, so a run that goes on asks the models in the very
batches of one that was never stopped, and ends with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pluralism_local.communities import Pool
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.answer_records import answer_of, answer_record, check_prompts
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure, failure_in
from pluralism_local.evaluation.batch_driver import BatchDriver
from pluralism_local.evaluation.beside import kept_beside
from pluralism_local.evaluation.comments import CommentStore
from pluralism_local.evaluation.journal import Journal, read_journal
from pluralism_local.evaluation.kept_replies import keeping_replies
from pluralism_local.evaluation.methods import METHODS, mode_of, plan_for, voices_for
from pluralism_local.evaluation.sample_run import SampleOutcome
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.shared_comments import SharedComments
from pluralism_local.evaluation.stored import StoredAnswer, StoredComment
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.tasks import Task
from pluralism_local.mode_specs import Orders
from pluralism_local.modes.steps import Entailment
from pluralism_local.types import ModelInfo, Sampling

CHUNK = 16
"""Samples that go through together: with six communities 96 comments, which fill an engine's batches."""

SAMPLES_FILE = "samples.jsonl"


@dataclass(frozen=True)
class RunSetup:
    """What is run.

    Attributes:
        pool: as it can speak through `communities` (see `communities.fit_to_base`); empty where none has a part.
        comment, answer: sampling of comments and of the LLM's texts; `comment.seed` is the run's seed.
        template: how the engines template prompts, "auto" or "none".
        orders: in which options are weighed; "asked" is as the file has them.
        entailment: the scorer that tells positions, see `modes.positions`; None where there is none.
    """

    task: Task
    samples: Sequence[Sample]
    pool: Pool
    llm: LanguageModel
    communities: LanguageModel
    comment: Sampling
    answer: Sampling
    template: str = "auto"
    orders: Orders = "asked"
    entailment: Entailment | None = None


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where a run is. `done` of `total` (sample, method) pairs have an outcome, `failed` of them a failure."""

    method: str
    done: int
    total: int
    failed: int


Results = dict[str, dict[str, Prediction | RequestFailure]]
"""By method and sample id."""


def run(
    setup: RunSetup,
    folder: Path,
    methods: Sequence[str],
    *,
    retry: bool = False,
    shared: SharedComments | None = None,
    should_stop: ShouldStop = never,
    progress: Callable[[RunProgress], None] = lambda _: None,
) -> bool:
    """Carry out what is missing of `methods` (of `METHODS`); whether all is done.

    The caller holds the lock of `folder`, and has claimed it (see `identity`).

    Args:
        retry: do failed samples again.
        shared: where comments of other runs are found, and this one's are left for them.
        should_stop: asked after every batch; what was finished stays.

    Raises:
        InvalidInput, Unsupported: a method cannot run with this pool or LLM; before anything is asked.
        Refused: a journal is damaged. OSError: no room; nothing finished is lost.
        PlocalError: a remote server is down; no reply is lost.
    """
    ordered = [name for name in METHODS if name in methods]
    plans = {name: plan_for(name, setup.llm, scores=setup.entailment is not None) for name in ordered}
    adapters = setup.communities.capabilities.adapters
    voices = {name: voices_for(name, setup.pool, adapters=adapters) for name in ordered}
    with (
        keeping_replies(folder, setup.llm, setup.communities) as (llm, communities),
        Journal(folder / SAMPLES_FILE) as journal,
        Journal(comments_file(folder, setup.communities.info)) as comments,
    ):
        setup = replace(setup, llm=llm, communities=communities)
        store = _comments(setup, comments, shared, retry=retry)
        check_records(StoredAnswer, journal.records, journal.path)
        if any(plans.values()):
            check_prompts(journal.records, folder)
        before = results(journal.records)
        driver = BatchDriver(
            setup.task,
            setup.llm,
            store,
            setup.comment,
            setup.answer,
            setup.orders,
            setup.entailment,
            has_answered=has_answers(before),
        )
        todo = {name: _todo(setup.samples, before.get(name, {}), retry=retry) for name in ordered}
        now = _standing(setup.samples, before, todo)
        progress(now)
        for name, missing in _steps(setup.samples, todo):
            if should_stop():
                return False
            outcomes = driver.run(mode_of(name, setup.task), voices[name], missing, plans[name])
            journal.append(
                [
                    answer_record(name, sample, outcome)
                    for sample, outcome in zip(missing, outcomes, strict=True)
                ]
            )
            now = _after(now, name, outcomes)
            progress(now)
    return True


def chunks(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    """`samples` in parts of `CHUNK`."""
    for start in range(0, len(samples), CHUNK):
        yield samples[start : start + CHUNK]


def comments_file(folder: Path, info: ModelInfo) -> Path:
    """Where comments of this model lie."""
    name = info.sha256[:12] if info.sha256 else "".join(c if c.isalnum() else "-" for c in info.id)[:60]
    return folder / f"comments-{name}.jsonl"


def read_results(folder: Path) -> tuple[Results, list[dict[str, Any]]]:
    """What a run has so far, and its records; the latest of each (method, sample) counts.

    Raises:
        Refused: the journal is damaged. InvalidInput: a record has another form.
    """
    records = read_journal(folder / SAMPLES_FILE)
    check_records(StoredAnswer, records, folder / SAMPLES_FILE)
    return results(records), records


def check_answers(folder: Path, task: Task, samples: Sequence[Sample], results: Results) -> None:
    """See that every answer is one to its sample: a share per option, a label, or a text.

    Raises:
        InvalidInput: one is not.
    """
    by_id = {sample.id: sample for sample in samples}
    for method, answers in results.items():
        for id, answer in answers.items():
            sample = by_id.get(id)
            if sample is None or isinstance(answer, RequestFailure):
                continue
            shares = None if answer.distribution is None else len(answer.distribution)
            wrong = (
                f"has {shares} numbers for {len(sample.options)} options"
                if shares not in (None, len(sample.options))
                else "has no 'pred_distribution'"
                if shares is None and task.answers == "distribution"
                else "has no 'output'"
                if answer.output is None
                and (task.answers == "text" or (task.answers == "label" and shares is None))
                else None
            )
            if wrong is not None:
                raise InvalidInput(
                    f"{folder / SAMPLES_FILE}: the answer of {method} to the sample {id} {wrong}.",
                    "Restore the file, or begin anew in another folder.",
                )


def results(records: Sequence[Mapping[str, Any]]) -> Results:
    """Records as outcomes; a later one replaces an earlier one."""
    by_method: Results = {}
    for record in records:
        by_method.setdefault(record["method"], {})[record["id"]] = answer_of(record)
    return by_method


def positions_in(results: Results) -> dict[str, tuple[str, ...]]:
    """By sample id the positions of its comments, of those that a method looked for any."""
    return {
        id: answer.positions.texts
        for answers in results.values()
        for id, answer in answers.items()
        if isinstance(answer, Prediction) and answer.positions is not None
    }


def has_answers(results: Results) -> bool:
    """Whether any sample was answered."""
    answers = [answer for by_sample in results.values() for answer in by_sample.values()]
    return any(isinstance(answer, Prediction) for answer in answers)


def _comments(
    setup: RunSetup, journal: Journal, shared: SharedComments | None, *, retry: bool
) -> CommentStore:
    return CommentStore(
        journal,
        setup.communities.info,
        setup.task,
        setup.comment,
        setup.template,
        Asker(setup.communities, has_answered=any(failure_in(record) is None for record in journal.records)),
        beside=kept_beside(journal.path, StoredComment),
        shared=shared,
        again=retry,
    )


def _steps(
    samples: Sequence[Sample], todo: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, list[Sample]]]:
    """(method, its samples of a chunk) as they are carried out: all methods of a chunk before the next chunk."""
    for chunk in chunks(samples):
        for name, missing in todo.items():
            part = [sample for sample in chunk if sample.id in missing]
            if part:
                yield name, part


def _standing(samples: Sequence[Sample], before: Results, todo: Mapping[str, frozenset[str]]) -> RunProgress:
    """Before anything is asked. A failure that is asked again counts as not done."""
    total = len(todo) * len(samples)
    done = total - sum(map(len, todo.values()))
    failed = sum(
        isinstance(answer, RequestFailure) and id not in missing
        for name, missing in todo.items()
        for id, answer in before.get(name, {}).items()
    )
    return RunProgress("begun", done, total, failed)


def _after(now: RunProgress, method: str, outcomes: Sequence[SampleOutcome]) -> RunProgress:
    failed = sum(isinstance(outcome.result, RequestFailure) for outcome in outcomes)
    return RunProgress(method, now.done + len(outcomes), now.total, now.failed + failed)


def _todo(
    samples: Sequence[Sample], answers: Mapping[str, Prediction | RequestFailure], *, retry: bool
) -> frozenset[str]:
    return frozenset(
        sample.id
        for sample in samples
        if sample.id not in answers or (retry and isinstance(answers[sample.id], RequestFailure))
    )
