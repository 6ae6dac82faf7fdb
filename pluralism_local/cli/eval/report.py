"""`plocal eval report`: one HTML file about one or several runs.

    RUN… ──find_run──> RunFolder ──evaluation.run_view──> RunView… ──render──> FILE

A run that has nothing to show is named and passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.eval.folders import find_run, settings_of
from pluralism_local.cli.eval.others import allow
from pluralism_local.cli.eval.running import summarise_folder
from pluralism_local.cli.eval.scorers import ScorerName, open_scorer
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.scorer_names import ADAPTER

if TYPE_CHECKING:
    from pluralism_local.evaluation.report.analyses import MessageFaithfulness
    from pluralism_local.evaluation.report.views import RunView
    from pluralism_local.evaluation.run_folder import RunFolder
    from pluralism_local.evaluation.samples import Sample
    from pluralism_local.evaluation.summary import RunSummary
    from pluralism_local.evaluation.tasks import Task

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
    reported = [view.id for view in views if not _is_empty(view)]
    skipped = [view.id for view in views if _is_empty(view)]
    out.show(
        {"file": str(file), "runs": reported, "skipped": skipped},
        f"Wrote {file}: {len(reported)} run{'' if len(reported) == 1 else 's'}.",
    )


def _is_empty(view: RunView) -> bool:
    return not view.methods and view.judge is None and view.faithfulness is None


def _view(out: Output, folder: RunFolder, scorer: str | None, interrupt: Interrupt) -> RunView:
    """The run, scored by its own scorer; `scorer` is that of faithfulness, None for none."""
    from pluralism_local.evaluation.run_view import view_run

    def summarise(task: Task, samples: Sequence[Sample], methods: Sequence[str]) -> RunSummary:
        spec = replace(folder.spec, methods=tuple(methods))
        interrupt.graceful = task.answers == "text"
        settings = settings_of(out, spec)
        if task.answers == "text":
            spec, settings = allow(spec, folder.path, settings, ("scorer",))
        summary = summarise_folder(out, settings, task, samples, folder.path, spec, interrupt)
        out.clear_status()
        return summary

    measure = None if scorer is None else partial(_faithfulness, out, folder, scorer, interrupt)
    return view_run(folder, summarise, measure)


def _faithfulness(
    out: Output, folder: RunFolder, scorer: str, interrupt: Interrupt, view: RunView
) -> MessageFaithfulness:
    from pluralism_local.evaluation.run_view import faithfulness_of_run

    spec, settings = allow(folder.spec, folder.path, settings_of(out, folder.spec), ("pool",))
    pool = wiring.find_pool(wiring.library(settings), settings.pool, list(spec.communities))
    interrupt.graceful = True
    faithfulness = faithfulness_of_run(
        folder,
        view,
        pool,
        lambda: open_scorer(scorer, settings, out.status),
        seed=settings.seed,
        progress=lambda name, done, total: out.status(f"faithfulness by {name}: {done:,} of {total:,} pairs"),
        should_stop=interrupt,
    )
    out.clear_status()
    return faithfulness
