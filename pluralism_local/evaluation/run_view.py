"""A run as a report shows it: everything that can be said of it; what cannot is a note.

    RUN ──view_run──> answers scored, else results.json; judge.json; faithfulness ──> RunView

Scorers are opened, and closed, by what the caller gives, who also decides what may be opened. A run whose data or
scorer is not here any more is viewed as its results.json has it, and the view says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pluralism_local.communities import Pool
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import Cancelled, InvalidInput, PlocalError
from pluralism_local.evaluation.journal import locked
from pluralism_local.evaluation.judge_run import JUDGE_FILE
from pluralism_local.evaluation.judge_run import SCHEMA as JUDGE_SCHEMA
from pluralism_local.evaluation.nli import NliScorer
from pluralism_local.evaluation.report.analyses import MessageFaithfulness, faithfulness_of
from pluralism_local.evaluation.report.run_comments import comments_of
from pluralism_local.evaluation.report.views import RunView
from pluralism_local.evaluation.run_folder import RESULTS_FILE, RunFolder
from pluralism_local.evaluation.runner import read_results
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.scorer_names import NO_SCORER
from pluralism_local.evaluation.service import comparable
from pluralism_local.evaluation.stored import StoredJudgement, StoredResults
from pluralism_local.evaluation.strict_records import read_object
from pluralism_local.evaluation.summary import SCHEMA as RESULTS_SCHEMA
from pluralism_local.evaluation.summary import RunSummary
from pluralism_local.evaluation.tasks import Task

Summarise = Callable[[Task, Sequence[Sample], Sequence[str]], RunSummary]
"""Scores a run's answers: of its task, its samples, and the methods to compare."""

MeasureFaithfulness = Callable[[RunView], MessageFaithfulness]


def view_run(
    folder: RunFolder, summarise: Summarise, measure_faithfulness: MeasureFaithfulness | None = None
) -> RunView:
    """The run with everything that can be said of it.

    Args:
        measure_faithfulness: as `faithfulness_of_run`; None where nobody asked for it, and not called for a task that
            is not answered by text.

    Raises:
        InvalidInput: judge.json or results.json is damaged.
        Cancelled: stopped while entailment was scored.
    """
    path, notes = folder.path, list[str]()
    view = RunView(path.name, folder.record, judge=_read(path / JUDGE_FILE, JUDGE_SCHEMA, StoredJudgement))
    try:
        results, _ = read_results(path)
        methods, remarks = comparable(folder.spec.methods, results)
        notes += remarks
        view = replace(view, results=results)
        view = _scored(view, folder, methods, summarise)
    except Cancelled:
        raise
    except PlocalError as error:
        stored = _read(path / RESULTS_FILE, RESULTS_SCHEMA, StoredResults)
        instead = (
            "shown as results.json has it, without paired differences"
            if stored
            else "it has no scores to show"
        )
        notes.append(f"{instead}: {error.message}")
        view = replace(view, record=stored)
    if measure_faithfulness is not None:
        try:
            task, _ = folder.read_samples()
            if task.answers == "text":
                view = replace(view, faithfulness=measure_faithfulness(view))
        except Cancelled:
            raise
        except PlocalError as error:
            notes.append(f"faithfulness is left out: {error.message}")
    return replace(view, notes=tuple(notes))


def faithfulness_of_run(
    folder: RunFolder,
    view: RunView,
    pool: Pool,
    open_scorer: Callable[[], AbstractContextManager[NliScorer]],
    *,
    seed: int,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    should_stop: ShouldStop = never,
) -> MessageFaithfulness:
    """How far responses of ours are made of the communities' comments; scores of pairs are kept in the run's folder.

    Args:
        pool: with the cards that the run had.
        seed: of the intervals.
        progress: told the scorer's name, pairs scored and pairs to score.

    Raises:
        InvalidInput, Refused: as `report.analyses.faithfulness_of` and `report.run_comments.comments_of`.
        Refused: another process writes in the folder.
        Cancelled: stopped; what was scored is kept.
    """
    task, samples = folder.read_samples()
    with locked(folder.path):
        comments = comments_of(folder.path, view.identity, task, samples, pool)
        with open_scorer() as scorer:
            return faithfulness_of(
                folder.path,
                samples,
                view.results,
                comments,
                scorer,
                seed=seed,
                should_stop=should_stop,
                progress=lambda done, total: progress(scorer.name, done, total),
            )


def _scored(view: RunView, folder: RunFolder, methods: Sequence[str], summarise: Summarise) -> RunView:
    task, samples = folder.read_samples()
    if not view.results:
        raise InvalidInput("it has no answers yet.", "Go on with plocal eval resume.")
    if task.answers == "text" and folder.spec.scorer == NO_SCORER:
        raise InvalidInput("it was run with --scorer none.", "Run it again with a scorer.")
    summary = summarise(task, samples, methods)
    return replace(view, summary=summary, record=folder.results_of(summary))


def _read(path: Path, schema: str, model: type[BaseModel]) -> dict[str, Any] | None:
    """An object of this schema and form; None if there is none."""
    try:
        return read_object(path, schema, model)
    except FileNotFoundError:
        return None
