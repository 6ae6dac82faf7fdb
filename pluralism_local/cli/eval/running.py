"""What `run` and `resume` carry out, in words: engines opened, the run begun or gone on with, its scores shown.

    RunSpec (options, or those that run.json remembers) ──run_or_resume──> evaluation.service ──> Output

Ctrl-C once finishes the batch and stops (exit 6); what is there is scored and shown. Twice leaves at once; what was
finished stays in the folder either way. A server that is down stops a run in the same way (exit 6), and where nothing
is finished yet its error is the command's (exit 5, or 2 where it does not take what it is sent).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local import wiring
from pluralism_local.cli.eval import others
from pluralism_local.cli.eval.engine_warnings import Telling, once
from pluralism_local.cli.eval.folders import runs_folder
from pluralism_local.cli.eval.progress import RateReporter, Turns, entailment_pace, writing_pace
from pluralism_local.cli.eval.scorers import open_scorer
from pluralism_local.cli.eval.tables import leading_table, methods_table, reading
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output, key_values
from pluralism_local.conversation.engines import open_handles
from pluralism_local.entailment import entailment
from pluralism_local.errors import Cancelled, InvalidInput, RemoteFailure, RemoteRefusal
from pluralism_local.evaluation.scorer_names import NO_SCORER

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.nli import NliScorer
    from pluralism_local.evaluation.run_folder import RunFolder, RunSpec
    from pluralism_local.evaluation.runner import RunProgress, RunSetup
    from pluralism_local.evaluation.samples import Sample
    from pluralism_local.evaluation.service import Hooks
    from pluralism_local.evaluation.summary import RunSummary
    from pluralism_local.evaluation.tasks import Task


def run_or_resume(
    out: Output, settings: Settings, spec: RunSpec, default_local: str, *, retry: bool, dry_run: bool
) -> None:
    """Run what is missing and show what came of it."""
    from pluralism_local.evaluation import sample_file, service

    task, samples = spec.read_samples()
    for warning in sample_file.data_warnings(task, samples):
        out.warn(warning)
    with ExitStack() as stack:
        interrupt = stack.enter_context(catching(out))
        setup = _setup(out, stack, settings, spec, task, samples, default_local, paced=not dry_run)
        evaluation = service.prepare(setup, spec, runs_folder())
        if dry_run:
            from pluralism_local.cli.eval.plan import show_plan

            show_plan(out, evaluation, _scoring(out, settings, spec, task))
            return
        if (opening := _scoring(out, settings, spec, task)) is not None:
            with opening():  # one that cannot be opened is known before anything is asked
                out.clear_status()
        folder = stack.enter_context(service.begin(evaluation))
        others.remember(spec, settings)
        out.note(f"Run {folder.path}")
        interrupt.graceful = True
        try:
            done = service.carry_out(evaluation, retry=retry, hooks=_hooks(out, interrupt))
        except (RemoteFailure, RemoteRefusal) as error:
            if not folder.has_answers:
                out.note(f"What was replied is kept; go on with: plocal eval resume {folder.path}")
                raise
            out.warn(" ".join(part for part in (error.message, error.hint) if part))
            done = False
        _finish(out, settings, spec, setup, folder, interrupt, done=done)


def _setup(
    out: Output,
    stack: ExitStack,
    settings: Settings,
    spec: RunSpec,
    task: Task,
    samples: Sequence[Sample],
    default_local: str,
    *,
    paced: bool,
) -> RunSetup:
    """What is run; with `paced` engines say how far a batch of texts is."""
    from pluralism_local.evaluation.methods import NOBODY
    from pluralism_local.evaluation.runner import RunSetup

    handles = stack.enter_context(
        open_handles(
            settings,
            communities=spec.communities_model,
            default_local=default_local,
            needed=task.heard,
            status=out.status,
        )
    )
    out.clear_status()
    pool = NOBODY
    if task.heard:
        pool = wiring.find_pool(wiring.library(settings), settings.pool, list(spec.communities))
        pool, warnings = wiring.fitting(pool, handles.communities, force=spec.force)
        for warning in warnings:
            out.warn(warning)
    tell = once(out.warn)
    scorer = None
    if "attributed" in spec.methods:
        engines = (handles.llm, handles.communities)
        scorer = stack.enter_context(entailment(settings, engines, out.status))
    return RunSetup(
        task,
        samples,
        pool,
        Telling(handles.llm, tell, *([writing_pace(out, "texts")] if paced else [])),
        Telling(handles.communities, tell, *([writing_pace(out, "comments")] if paced else [])),
        comment=settings.comment_sampling(),
        answer=settings.answer_sampling(),
        template=settings.template,
        orders=settings.orders,
        entailment=scorer,
    )


def reporter(out: Output, clock: Callable[[], float]) -> Callable[[RunProgress], None]:
    """Progress of answers."""
    pace, turns = RateReporter(out, clock), Turns(clock)

    def report(now: RunProgress) -> None:
        failed = f", {now.failed} failed" if now.failed else ""
        left = turns.left(now.method, now.done, now.total)
        pace.report(now.done, now.total, f"{now.method}: {now.done} of {now.total} answers{failed}", left)

    return report


def _hooks(out: Output, interrupt: Interrupt) -> Hooks:
    """What happens goes to `out`, and Ctrl-C stops it."""
    from pluralism_local.evaluation.service import Hooks

    return Hooks(out.warn, reporter(out, time.monotonic), partial(entailment_pace, out), interrupt)


def _finish(
    out: Output,
    settings: Settings,
    spec: RunSpec,
    setup: RunSetup,
    folder: RunFolder,
    interrupt: Interrupt,
    *,
    done: bool,
) -> None:
    """Score what is there, keep and show it."""
    state = {"run": folder.record["id"], "folder": str(folder.path), "complete": done}
    if not done:
        out.exit = ExitCode.PARTIAL
        out.note(f"Stopped; go on with: plocal eval resume {folder.path}")
    if setup.task.answers == "text" and spec.scorer == NO_SCORER:
        from pluralism_local.evaluation.service import what_failed

        for sentence in what_failed(folder.results(), spec.methods, len(setup.samples)):
            out.warn(sentence)
            out.exit = ExitCode.PARTIAL
        judge = f" Compare them with: plocal eval judge {folder.path}" if setup.task.judged else ""
        out.show(state, f"Responses are in {folder.path}.{judge}")
        return
    try:
        summary = summarise_folder(out, settings, setup.task, setup.samples, folder.path, spec, interrupt)
    except InvalidInput:
        if done:
            raise
        out.show(state, "Nothing to score yet.")
        return
    except Cancelled:
        out.exit = ExitCode.PARTIAL
        out.note("Stopped while scoring; plocal eval show goes on from there.")
        out.show(state | {"scored": False}, f"Responses are in {folder.path}.")
        return
    record = folder.write_results(summary)
    if not summary.complete:
        out.exit = ExitCode.PARTIAL
    tell_void(out, summary.void)
    out.show(record, results_text(record, folder.path))


def summarise_folder(
    out: Output,
    settings: Settings,
    task: Task,
    samples: Sequence[Sample],
    path: Path,
    spec: RunSpec,
    interrupt: Interrupt,
) -> RunSummary:
    """Score a run's answers by the run's scorer, and say what is not as it should be.

    Raises:
        As `service.summarise_run`.
    """
    from pluralism_local.evaluation.service import summarise_run

    return summarise_run(
        path,
        task,
        samples,
        spec.methods,
        seed=settings.seed,
        open_scorer=_scoring(out, settings, spec, task),
        hooks=_hooks(out, interrupt),
    )


def _scoring(
    out: Output, settings: Settings, spec: RunSpec, task: Task
) -> Callable[[], AbstractContextManager[NliScorer]] | None:
    """What opens the run's scorer of entailment; None where its answers have none."""
    if task.answers != "text" or spec.scorer == NO_SCORER:
        return None
    return partial(open_scorer, spec.scorer, settings, out.status)


def tell_void(out: Output, methods: Sequence[str]) -> None:
    """Say which methods have no score, since none of their answers is one; the result is then a part of one."""
    if methods:
        out.exit = ExitCode.PARTIAL
        out.warn(
            f"No score for {', '.join(methods)}: none of the answers is one. Use a model that begins its answer with a "
            "letter of the options, or look at the answers in samples.jsonl."
        )


def _without_adapter(members: Sequence[Mapping[str, Any]]) -> str | None:
    """Who speaks through a persona alone whatever the method is, in words; None where all have an adapter."""
    names = [member["community"] for member in members if member["adapter_sha256"] is None]
    if not names:
        return None
    return (
        f"of all {len(names)}, no adapter"
        if len(names) == len(members)
        else f"no adapter: {', '.join(names)}"
    )


def results_text(record: dict[str, Any], folder: Path, *, everything: bool = False) -> str:
    """The table, with what it rests on."""
    failed = {name: count for name, count in record["failed"].items() if count}
    missing = {name: count for name, count in record["missing"].items() if count}
    facts = key_values(
        [
            ("task", record["task"]),
            ("model", record["model"]["id"]),
            ("pool", record["pool"]["id"]),
            ("personas", _without_adapter(record["pool"]["members"])),
            ("entailment", record.get("scorer")),
            ("samples", f"{record['n']} of {record['wanted']}"),
            ("failed", ", ".join(f"{name} {count}" for name, count in failed.items()) or None),
            ("missing", ", ".join(f"{name} {count}" for name, count in missing.items()) or None),
            ("run", folder),
        ]
    )
    bases = record.get("basis", {})
    scores = methods_table(record["task"], record["methods"], bases, everything=everything)
    how_to_read = reading(record["task"], record["methods"], everything=everything)
    apart = leading_table(record["task"], record["differences"])
    paired = f"\n\n{apart}\n\nPaired over samples; * beyond chance." if apart else ""
    notes = "".join(f"\n{sentence}" for sentence in record.get("remarks", ()))
    return f"{facts}\n\n{scores}\n\n{how_to_read}{notes}{paired}"
