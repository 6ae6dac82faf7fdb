"""`plocal eval report`: one HTML file about one or several runs.

    RUN… ──find_run──> run.json ──answers scored, else results.json──> RunView… ──render──> FILE

A run that has nothing to show is named and passed over; a run whose data or scorer is not here any more is shown as
results.json has it, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.eval.folders import find_run, settings_of
from pluralism_local.cli.eval.others import allow
from pluralism_local.cli.eval.scorers import ADAPTER, NO_SCORER, ScorerName, open_scorer
from pluralism_local.cli.eval.work import summarise_folder
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output
from pluralism_local.errors import Cancelled, InvalidInput, NotFound, PlocalError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pluralism_local.evaluation.report.analyses import MessageFaithfulness
    from pluralism_local.evaluation.report.views import RunView
    from pluralism_local.evaluation.run_folder import RunFolder, RunSpec

EPILOG = """
\b
Examples:
  plocal eval report distributional-globalopinionqa-b85beb836fbd -o report.html
  plocal eval report runs/perspectives runs/cultures runs/mixed --title "Three pools" -o pools.html
  plocal eval report overton-nli-0123456789ab --faithfulness -o overton.html

Runs that differ in their pool alone are compared with each other. The file loads nothing from anywhere.
"""


def report(
    context: typer.Context,
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs' folders, or their names in the data folder.")
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to; '-' for standard output.")
    ],
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Its title.")] = "Evaluation report",
    faithfulness: Annotated[
        bool,
        typer.Option(
            "--faithfulness",
            help="Also how far responses of ours are made of the communities' comments, by --scorer.",
        ),
    ] = False,
    scorer: ScorerName = ADAPTER,
    as_json: options.Json = False,
) -> None:
    """A report of runs as one HTML file."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.report import render

    files = [run for run in runs if run.expanduser().is_file()]
    if files:
        out.warn(f"Files are no runs' folders, and are left out: {', '.join(map(str, files))}.")
    if len(files) == len(runs):
        raise NotFound("There is no run's folder among these.", "plocal eval ls lists runs.")
    folders = {folder.path: folder for folder in map(find_run, (run for run in runs if run not in files))}
    views = []
    with catching(out) as interrupt:
        for folder in folders.values():
            view = _view(out, folder, scorer if faithfulness else None, interrupt)
            for note in view.notes:
                out.warn(f"{view.name}: {note}")
            views.append(view)
    if all(_is_empty(view) for view in views):
        raise InvalidInput(
            "None of these runs has anything to show.", "Let them go on with plocal eval resume, then report."
        )
    page = render(title, views)
    file = out.deliver(page, output)
    if file is None:
        return
    shown = [view.id for view in views if not _is_empty(view)]
    skipped = [view.id for view in views if _is_empty(view)]
    out.show(
        {"file": str(file), "runs": shown, "skipped": skipped},
        f"Wrote {file}: {len(shown)} run{'' if len(shown) == 1 else 's'}.",
    )


def _is_empty(view: RunView) -> bool:
    return not view.methods and view.judge is None and view.faithfulness is None


def _view(out: Output, folder: RunFolder, scorer: str | None, interrupt: Interrupt) -> RunView:
    """A run with everything that can be said of it; what cannot is a note."""
    from pluralism_local.evaluation.judging import SCHEMA as JUDGE
    from pluralism_local.evaluation.report.views import RunView
    from pluralism_local.evaluation.run_folder import RESULTS_FILE
    from pluralism_local.evaluation.runner import read_results
    from pluralism_local.evaluation.service import comparable
    from pluralism_local.evaluation.stored import StoredJudgement, StoredResults
    from pluralism_local.evaluation.summary import SCHEMA as RESULTS

    path = folder.path
    view = RunView(path.name, folder.record, judge=_read(path / "judge.json", JUDGE, StoredJudgement))
    notes = []
    try:
        results, _ = read_results(path)
        methods, remarks = comparable(folder.spec.methods, results)
        notes += remarks
        view = replace(view, results=results)
        view = _scored(out, view, folder, replace(folder.spec, methods=methods), interrupt)
    except Cancelled:
        raise
    except PlocalError as error:
        stored = _read(path / RESULTS_FILE, RESULTS, StoredResults)
        what = (
            "shown as results.json has it, without paired differences"
            if stored
            else "it has no scores to show"
        )
        notes.append(f"{what}: {error.message}")
        view = replace(view, record=stored)
    if scorer is not None:
        try:
            view = replace(view, faithfulness=_faithfulness(out, view, folder, scorer, interrupt))
        except Cancelled:
            raise
        except PlocalError as error:
            notes.append(f"faithfulness is left out: {error.message}")
    return replace(view, notes=tuple(notes))


def _scored(out: Output, view: RunView, folder: RunFolder, spec: RunSpec, interrupt: Interrupt) -> RunView:
    task, samples = folder.read_samples()
    if not view.results:
        raise InvalidInput("it has no answers yet.", "Go on with plocal eval resume.")
    if task.answers == "text" and spec.scorer == NO_SCORER:
        raise InvalidInput("it was run with --scorer none.", "Run it again with a scorer.")
    interrupt.graceful = task.answers == "text"
    settings = settings_of(out, spec)
    if task.answers == "text":
        spec, settings = allow(spec, folder.path, settings, ("scorer",))
    summary = summarise_folder(out, settings, task, samples, folder.path, spec, interrupt)
    out.clear_status()
    return replace(view, summary=summary, record=folder.results_of(summary))


def _faithfulness(
    out: Output, view: RunView, folder: RunFolder, name: str, interrupt: Interrupt
) -> MessageFaithfulness | None:
    """None for a task that is not answered by text."""
    from pluralism_local.evaluation.journal import locked
    from pluralism_local.evaluation.report.analyses import faithfulness_of
    from pluralism_local.evaluation.report.heard import comments_of

    task, samples = folder.read_samples()
    if task.answers != "text":
        return None
    spec, settings = allow(folder.spec, folder.path, settings_of(out, folder.spec), ("pool",))
    pool = wiring.find_pool(wiring.library(settings), settings.pool, list(spec.communities))
    interrupt.graceful = True
    with locked(folder.path):
        comments = comments_of(folder.path, view.identity, task, samples, pool)
        with open_scorer(name, settings, out.status) as scorer:
            found = faithfulness_of(
                folder.path,
                samples,
                view.results,
                comments,
                scorer,
                seed=settings.seed,
                should_stop=interrupt,
                progress=_pairs(out, scorer.name),
            )
    out.clear_status()
    return found


def _pairs(out: Output, scorer: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        out.status(f"faithfulness by {scorer}: {done:,} of {total:,} pairs")

    return tell


def _read(path: Path, schema: str, model: type[BaseModel]) -> dict[str, Any] | None:
    """An object of this schema and form; None if there is none."""
    from pluralism_local.evaluation.stored import read_object

    try:
        return read_object(path, schema, model)
    except FileNotFoundError:
        return None
