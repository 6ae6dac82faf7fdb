"""An evaluation from its engines to its figures, for every front end: the command, its benchmark, a script.

    RunSetup, RunSpec ──prepare──> PreparedRun ──begin──> RUN locked and claimed ──carry_out──> RUN/samples.jsonl
    RUN/samples.jsonl ──summarise_run──> RunSummary ──RunFolder.write_results──> RUN/results.json

A run goes on where it stopped by the same three calls. Nothing is printed here: `Hooks` tell the front end what happens
and ask it whether to stop. Engines are opened, and closed, by the caller, who also decides what may be opened.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation import runner
from pluralism_local.evaluation.beside import kept_beside
from pluralism_local.evaluation.coverage import Coverage, cover
from pluralism_local.evaluation.identity import Identity, claim, identify, read_run
from pluralism_local.evaluation.journal import Journal, locked
from pluralism_local.evaluation.methods import CONTROLS, METHODS, check_methods, find_methods
from pluralism_local.evaluation.nli import NliScorer
from pluralism_local.evaluation.nli_cache import RememberedNli, nli_file
from pluralism_local.evaluation.run_folder import RunFolder, RunSpec
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.shared_comments import COMMENTS_FILE, SharedComments
from pluralism_local.evaluation.stored import StoredEntailment
from pluralism_local.evaluation.summary import RunSummary, failures, summarise
from pluralism_local.evaluation.tasks import Task


@dataclass(frozen=True)
class Hooks:
    """What a front end is told, and how it stops the work.

    Attributes:
        warn: told a sentence about what is not as it should be.
        progress: told where the answers are, after every batch.
        entailment: given the scorer's name, returns what is told (pairs scored, pairs to score).
        should_stop: asked after every batch; what was finished stays.
    """

    warn: Callable[[str], None] = lambda _: None
    progress: Callable[[runner.RunProgress], None] = lambda _: None
    entailment: Callable[[str], Callable[[int, int], None]] = lambda _: lambda *_: None
    should_stop: ShouldStop = never


@dataclass(frozen=True)
class PreparedRun:
    """A run that can be begun, or gone on with.

    Attributes:
        identity: everything that the figures depend on.
        path: the run's folder, which may not be there yet.
        root: where runs lie that were given no folder, and the comments that all runs share.
    """

    setup: runner.RunSetup
    spec: RunSpec
    identity: Identity
    path: Path
    root: Path

    @property
    def model_methods(self) -> list[str]:
        """The methods that ask models, which is all but the controls."""
        return [name for name in self.spec.methods if name in METHODS]


def prepare(setup: runner.RunSetup, spec: RunSpec, root: Path) -> PreparedRun:
    """See what the run is; nothing is written.

    Args:
        root: where runs lie that were given no folder, called after the task and the identity; comments that all runs
            share are there, too.

    Raises:
        InvalidInput: a method that cannot answer the task.
    """
    check_methods(spec.methods, setup.task)
    identity = identify(
        setup.task,
        setup.samples,
        setup.pool,
        llm=setup.llm.info,
        communities=setup.communities.info,
        comment=setup.comment,
        answer=setup.answer,
        template=setup.template,
        orders=setup.orders,
    )
    path = Path(spec.output) if spec.output else root / f"{setup.task.name}-{identity.id}"
    return PreparedRun(setup, spec, identity, path, root)


@contextmanager
def begin(evaluation: PreparedRun) -> Iterator[RunFolder]:
    """Make the folder the run's, or go on in it, and be its only writer while the block runs.

    Raises:
        Refused: another process writes there, or it belongs to another run. InvalidInput: its run.json is damaged.
    """
    with locked(evaluation.path):
        begun = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        claim(evaluation.path, evaluation.identity, {"wanted": evaluation.spec.record(), "begun": begun})
        record = read_run(evaluation.path)
        assert record is not None  # claimed
        yield RunFolder(evaluation.path, record)


def carry_out(evaluation: PreparedRun, *, retry: bool = False, hooks: Hooks | None = None) -> bool:
    """Ask what is missing, in the block of `begin`; whether all is done.

    Args:
        retry: do failed samples again.

    Raises:
        As `runner.run`; nothing finished is lost.
    """
    hooks = hooks or Hooks()
    return runner.run(
        evaluation.setup,
        evaluation.path,
        evaluation.model_methods,
        retry=retry,
        shared=SharedComments(evaluation.root / COMMENTS_FILE, hooks.warn),
        should_stop=hooks.should_stop,
        progress=hooks.progress,
    )


def summarise_run(
    path: Path,
    task: Task,
    samples: Sequence[Sample],
    methods: Sequence[str],
    *,
    seed: int,
    open_scorer: Callable[[], AbstractContextManager[NliScorer]] | None = None,
    hooks: Hooks | None = None,
) -> RunSummary:
    """Score the answers of the run in the folder `path`; entailment is kept there.

    Args:
        methods: to be summarised, controls among them.
        seed: of the intervals' resampling and of the controls.
        open_scorer: opens what judges entailment; needed where the task is answered by texts.

    Raises:
        InvalidInput: no sample was answered by all methods, an answer is none to its sample, or a scorer is missing.
        Refused: a journal is damaged. Cancelled: stopped while entailment was scored.
    """
    hooks = hooks or Hooks()
    if task.answers == "text" and open_scorer is None:
        judge = f"plocal eval judge {path} compares them. For coverage give" if task.judged else "Give"
        raise InvalidInput(
            f"{path} was run without a scorer of entailment, so its answers have no scores.",
            f"{judge} its plocal eval run command again with --scorer adapter, or another: the answers stay.",
        )
    results, records = runner.read_results(path)
    runner.check_answers(path, task, samples, results)
    for sentence in what_failed(results, methods, len(samples)):
        hooks.warn(sentence)
    if task.answers != "text" or open_scorer is None:
        return summarise(task, samples, results, methods, records, seed=seed)
    with open_scorer() as scorer, Journal(nli_file(path, scorer)) as journal:
        beside = kept_beside(journal.path, StoredEntailment)
        positions = runner.positions_in(results)
        remembered = RememberedNli(scorer, journal, hooks.entailment(scorer.name), beside)

        def covering(answered: Sequence[tuple[Sample, str]]) -> list[Coverage]:
            return cover(task, answered, remembered, positions=positions, should_stop=hooks.should_stop)

        summary = summarise(task, samples, results, methods, records, cover=covering, seed=seed)
        return replace(summary, scorer=scorer.name)


def what_failed(results: runner.Results, methods: Sequence[str], count: int) -> list[str]:
    """A sentence about each method that failed on some of `count` samples."""
    return [
        f"{name} failed on {failed} of {count} samples, first with: {message}"
        for name, (failed, message) in failures(results, methods).items()
    ]


def comparable(methods: Sequence[str], results: runner.Results) -> tuple[tuple[str, ...], list[str]]:
    """The methods that a report can compare, and a sentence about each that it cannot.

    They are those of the run that have answers, others that have come as far as these, and the run's controls.
    """
    own = [name for name in methods if name in results]
    late = [name for name in results if name not in methods]
    common = set.intersection(*(set(results[name]) for name in own)) if own else set()
    ready = [name for name in late if common <= results[name].keys()]
    remarks = [
        f"{name} has no answers yet and is left out."
        for name in methods
        if name not in CONTROLS and name not in results
    ] + [f"{name} has not come to every sample and is left out." for name in late if name not in ready]
    controls = [name for name in methods if name in CONTROLS]
    return tuple(find_methods([*own, *ready, *controls])), remarks
