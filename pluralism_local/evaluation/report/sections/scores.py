"""Scores: what each task is about, by method, and how far ours is from the others."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.report.blocks import Block, Details, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.measures import capital, measure, primary
from pluralism_local.evaluation.report.plots import Series, dot_plot
from pluralism_local.evaluation.report.sections.common import by_method
from pluralism_local.evaluation.report.views import (
    ABSENT,
    RunView,
    of_estimate,
    point,
    with_interval,
    with_scores,
)
from pluralism_local.evaluation.summary import RunSummary


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run its main metrics, paired differences, and everything else folded."""
    content: list[Block] = []
    for run in with_scores(runs):
        content += [Heading(run.title), Paragraph(run.line, "aside"), *map(Paragraph, run.remarks)]
        for metric in () if run.facts is None else run.facts.headline:
            figure = by_method(run, metric, f"{capital(measure(metric).name)} by method")
            if figure is not None:
                content.append(figure)
        difference = _differences(run)
        if difference is not None:
            content.append(difference)
        content.append(Details("Every metric of this run", (_everything(run),)))
    return content


def _differences(run: RunView) -> Figure | None:
    """The method in question minus every other, on the same samples; None without anything to compare."""
    metric, focus, summary = primary(run.task), run.focus, run.summary
    if metric is None or focus is None or summary is None:
        return None
    differences = _estimates(summary, focus)
    rows = [name for name in differences if metric in differences[name]]
    if not rows:
        return None
    names = list(dict.fromkeys(name for row in differences.values() for name in row))
    points = tuple(of_estimate(differences[name][metric]) for name in rows)
    better = measure(metric).better
    side = {"lower": f"left of 0, {focus} is better", "higher": f"right of 0, {focus} is better"}.get(
        better, ""
    )
    return Figure(
        f"{focus} minus each other method",
        f"Paired differences of the {measure(metric).label} on the same samples; {side}. {run.count}. The interval is "
        f"95 %, from a bootstrap that draws the same questions or situations for both; one that leaves out 0 is beyond "
        f"chance. {run.line}",
        dot_plot(
            [f"{focus} − {name}" for name in rows],
            [Series("difference", 0, points)],
            f"difference of the {measure(metric).name}",
        ),
        Table(
            f"{focus} minus each other, every metric that is a mean over samples, with 95 % interval",
            ("minus", *(measure(name).label for name in names)),
            tuple(
                (other, *(with_interval(of_estimate(row[name])) if name in row else ABSENT for name in names))
                for other, row in differences.items()
            ),
        ),
    )


def _estimates(summary: RunSummary, focus: str) -> dict[str, dict[str, Estimate]]:
    return {other: summary.difference(focus, other) for other in summary.methods if other != focus}


def _everything(run: RunView) -> Table:
    names = list(dict.fromkeys(name for row in run.methods.values() for name in row if name != "counts"))
    counts = list(dict.fromkeys(name for row in run.methods.values() for name in row.get("counts", ())))
    return Table(
        f"Every metric of run {run.id}, with 95 % interval",
        ("metric", *run.methods),
        (
            *(
                (measure(name).label, *(with_interval(point(row.get(name))) for row in run.methods.values()))
                for name in names
            ),
            *(
                (
                    f"count: {name}",
                    *(str(row.get("counts", {}).get(name, ABSENT)) for row in run.methods.values()),
                )
                for name in counts
            ),
        ),
    )
