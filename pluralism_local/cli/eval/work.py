"""What `run` and `resume` carry out: engines opened, the run's folder claimed, methods run, scores written.

    Wanted (options, or those that run.json remembers) ──carry_out──> RUN/samples.jsonl, RUN/results.json ──> Output

Ctrl-C once finishes the batch and stops (exit 6); what is there is scored and shown. Twice leaves at once; what was
finished stays in the folder either way.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local import wiring
from pluralism_local.cli.eval import others
from pluralism_local.cli.eval.pace import Pace, entailment_pace
from pluralism_local.cli.eval.remarks import Telling, once
from pluralism_local.cli.eval.scorers import NO_SCORER, open_scorer
from pluralism_local.cli.eval.text import methods_table
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output, key_values
from pluralism_local.errors import Cancelled, InvalidInput

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.identity import Identity
    from pluralism_local.evaluation.runner import Progress, Setup
    from pluralism_local.evaluation.samples import Sample
    from pluralism_local.evaluation.summary import Summary
    from pluralism_local.evaluation.tasks import Task


SETTINGS = (
    "model",
    "pool",
    "temperature",
    "top_p",
    "max_tokens",
    "comment_temperature",
    "comment_top_p",
    "comment_max_tokens",
    "seed",
    "ctx_size",
    "template",
    "weights",
)
"""Of `config.Settings`, those that a run's figures depend on."""


@dataclass(frozen=True)
class Wanted:
    """What to run; JSON-ready, so that a run remembers it.

    Attributes:
        data: the file, absolute.
        limit, draw: how many samples; the first ones, or drawn at random by this seed.
        settings: of `config.Settings`, those that matter for a run.
        output: the run's folder; None for one of its own in the data folder.
    """

    task: str
    data: str
    methods: tuple[str, ...]
    limit: int | None
    draw: int | None
    scorer: str
    communities: tuple[str, ...]
    communities_model: str | None
    settings: dict[str, Any]
    output: str | None = None
    force: bool = False


def carry_out(
    out: Output, settings: Settings, wanted: Wanted, default_local: str, *, retry: bool, dry_run: bool
) -> None:
    """Run what is missing and show what was found."""
    from pluralism_local import config
    from pluralism_local.evaluation import identity as identities
    from pluralism_local.evaluation import reading
    from pluralism_local.evaluation.journal import locked
    from pluralism_local.evaluation.methods import METHODS
    from pluralism_local.evaluation.runner import run
    from pluralism_local.evaluation.tasks import find_task

    task = find_task(wanted.task)
    samples = chosen(reading.read_samples(task, Path(wanted.data)), wanted.limit, wanted.draw)
    for remark in reading.remarks(task, samples):
        out.warn(remark)
    real = [name for name in wanted.methods if name in METHODS]
    with ExitStack() as stack:
        interrupt = stack.enter_context(catching(out))
        setup = _setup(out, stack, settings, wanted, task, samples, default_local)
        identity = identities.identify(
            task,
            samples,
            setup.pool,
            llm=setup.llm.info,
            communities=setup.communities.info,
            comment=setup.comment,
            answer=setup.answer,
            template=setup.template,
        )
        root = config.paths().data_dir / "eval"
        folder = Path(wanted.output) if wanted.output else root / f"{task.name}-{identity.id}"
        if dry_run:
            from pluralism_local.cli.eval.plan import show_plan

            show_plan(out, setup, real, folder)
            return
        stack.enter_context(locked(folder))
        identities.claim(folder, identity, {"wanted": others.kept(wanted), "begun": _now()})
        others.remember(wanted, settings)
        out.note(f"Run {folder}")
        interrupt.graceful = True
        done = run(
            setup, folder, real, retry=retry, should_stop=interrupt, progress=reporter(out, time.monotonic)
        )
        _finish(out, settings, wanted, setup, identity, folder, interrupt, done=done)


def _setup(
    out: Output,
    stack: ExitStack,
    settings: Settings,
    wanted: Wanted,
    task: Task,
    samples: Sequence[Sample],
    default_local: str,
) -> Setup:
    from pluralism_local.evaluation.runner import Setup
    from pluralism_local.types import Sampling

    handles = stack.enter_context(
        wiring.open_handles(
            settings,
            communities=wanted.communities_model,
            default_local=default_local,
            needed=True,
            status=out.status,
        )
    )
    out.clear_status()
    pool = wiring.find_pool(wiring.library(settings), settings.pool, list(wanted.communities))
    pool, warnings = wiring.fitting(pool, handles.communities, force=wanted.force)
    for warning in warnings:
        out.warn(warning)
    tell = once(out.warn)
    return Setup(
        task,
        samples,
        pool,
        Telling(handles.llm, tell),
        Telling(handles.communities, tell),
        comment=Sampling(
            settings.comment_temperature, settings.comment_top_p, settings.comment_max_tokens, settings.seed
        ),
        answer=Sampling(settings.temperature, settings.top_p, settings.max_tokens, settings.seed),
        template=settings.template,
    )


def chosen(samples: Sequence[Sample], limit: int | None, draw: int | None) -> list[Sample]:
    """The first `limit`, or as many drawn by a seed: by a hash of seed and id, so that a larger limit adds only.

    Raises:
        InvalidInput: drawing without a limit.
    """
    if draw is None:
        return list(samples[:limit])
    if limit is None:
        raise InvalidInput("--sample draws as many as --limit says.", "Give --limit N, too.")
    import hashlib

    ordered = sorted(samples, key=lambda one: hashlib.sha256(f"{draw}:{one.id}".encode()).hexdigest())
    return ordered[:limit]


def reporter(out: Output, clock: Callable[[], float]) -> Callable[[Progress], None]:
    """Progress of answers."""
    pace = Pace(out, clock)

    def report(now: Progress) -> None:
        failed = f", {now.failed} failed" if now.failed else ""
        pace.report(now.done, now.total, f"{now.method}: {now.done} of {now.total} answers{failed}")

    return report


def _finish(
    out: Output,
    settings: Settings,
    wanted: Wanted,
    setup: Setup,
    identity: Identity,
    folder: Path,
    interrupt: Interrupt,
    *,
    done: bool,
) -> None:
    """Score what is there, keep and show it."""
    if not done:
        out.exit = ExitCode.PARTIAL
        out.note(f"Stopped; go on with: plocal eval resume {folder}")
    if setup.task.answers == "text" and wanted.scorer == NO_SCORER:
        out.show({"run": identity.id, "folder": str(folder), "complete": done}, f"Responses are in {folder}.")
        return
    try:
        summary = summarise_folder(out, settings, setup.task, setup.samples, folder, wanted, interrupt)
    except InvalidInput:
        if done:
            raise
        out.show({"run": identity.id, "folder": str(folder), "complete": False}, "Nothing to score yet.")
        return
    except Cancelled:
        out.exit = ExitCode.PARTIAL
        out.note("Stopped while scoring; plocal eval show goes on from there.")
        shown = {"run": identity.id, "folder": str(folder), "complete": done, "scored": False}
        out.show(shown, f"Responses are in {folder}.")
        return
    record = write_results(summary, identity.fields, identity.id, folder)
    if not summary.complete:
        out.exit = ExitCode.PARTIAL
    tell_void(out, summary.void)
    out.show(record, results_text(record, folder))


def summarise_folder(
    out: Output,
    settings: Settings,
    task: Task,
    samples: Sequence[Sample],
    folder: Path,
    wanted: Wanted,
    interrupt: Interrupt,
) -> Summary:
    """Score a run's answers; NLI scores are kept in the run's folder.

    Raises: InvalidInput if no sample was answered by all methods, or no scorer was chosen for a task that needs one;
        Cancelled while entailment is scored.
    """
    from pluralism_local.evaluation.beside import kept_beside
    from pluralism_local.evaluation.coverage import Coverage, cover
    from pluralism_local.evaluation.journal import Journal
    from pluralism_local.evaluation.remembered import RememberedNli, nli_file
    from pluralism_local.evaluation.runner import check_answers, read_results
    from pluralism_local.evaluation.stored import StoredEntailment
    from pluralism_local.evaluation.summary import failures, summarise

    if task.answers == "text" and wanted.scorer == NO_SCORER:
        raise InvalidInput(
            f"{folder} was run with --scorer none, so its answers have no scores.",
            "Give its plocal eval run command again with a scorer, or without --scorer none: the answers stay.",
        )
    results, records = read_results(folder)
    check_answers(folder, task, samples, results)
    for name, (count, message) in failures(results, wanted.methods).items():
        out.warn(f"{name} failed on {count} of {len(samples)} samples, first with: {message}")
    seed = settings.seed
    if task.answers != "text":
        return summarise(task, samples, results, wanted.methods, records, seed=seed)
    with (
        open_scorer(wanted.scorer, settings, out.status) as scorer,
        Journal(nli_file(folder, scorer)) as journal,
    ):
        beside = kept_beside(journal.path, StoredEntailment)
        remembered = RememberedNli(scorer, journal, entailment_pace(out, scorer.name), beside)

        def covering(answered: Sequence[tuple[Sample, str]]) -> list[Coverage]:
            return cover(answered, remembered, should_stop=interrupt)

        return summarise(task, samples, results, wanted.methods, records, cover=covering, seed=seed)


def tell_void(out: Output, methods: Sequence[str]) -> None:
    """Say which methods have no score, since none of their answers is one; the result is then a part of one."""
    if methods:
        out.exit = ExitCode.PARTIAL
        out.warn(
            f"No score for {', '.join(methods)}: none of the answers is one. Use a model that begins its answer with a "
            "letter of the options, or look at the answers in samples.jsonl."
        )


def write_results(summary: Summary, identity: Any, run: str, folder: Path) -> dict[str, Any]:
    """RUN/results.json, replaced as a whole."""
    from pluralism_local.files import write_atomic

    record = summary.record(identity, run)
    write_atomic(folder / "results.json", json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    return record


def results_text(record: dict[str, Any], folder: Path, *, everything: bool = False) -> str:
    """The table, with what it rests on."""
    failed = {name: count for name, count in record["failed"].items() if count}
    missing = {name: count for name, count in record["missing"].items() if count}
    facts = key_values(
        [
            ("task", record["task"]),
            ("model", record["model"]["id"]),
            ("pool", record["pool"]["id"]),
            ("samples", f"{record['n']} of {record['wanted']}"),
            ("failed", ", ".join(f"{name} {count}" for name, count in failed.items()) or None),
            ("missing", ", ".join(f"{name} {count}" for name, count in missing.items()) or None),
            ("run", folder),
        ]
    )
    bases = record.get("basis", {})
    shown = methods_table(record["task"], record["methods"], bases, everything=everything)
    notes = "".join(f"\n{sentence}" for sentence in record.get("remarks", ()))
    return f"{facts}\n\n{shown}\n\n95 % intervals over questions or situations; lower J–S distance is better.{notes}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
