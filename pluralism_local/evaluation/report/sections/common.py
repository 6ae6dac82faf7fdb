"""What several sections draw: a metric by method, with the paper's figures on the same lines."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.methods import CONTROLS
from pluralism_local.evaluation.report.blocks import Figure, Table
from pluralism_local.evaluation.report.measures import capital, measure
from pluralism_local.evaluation.report.plots import Point, Series, dot_plot
from pluralism_local.evaluation.report.published import PAPER, caution, published
from pluralism_local.evaluation.report.views import INTERVAL, RunView, with_interval
from pluralism_local.evaluation.tasks.facts import PublishedFigures

METHOD, CONTROL, GOLD = 0, 2, 1

PUBLISHED_KEYS = (3, 4)
"""Marks: see `svg.mark`."""


def by_method(
    run: RunView, metric: str, title: str, extra: Sequence[tuple[str, Point]] = ()
) -> Figure | None:
    """A metric of every method and control; None where no method has it.

    Args:
        extra: further rows with a mark of their own, such as the gold distributions' figure.
    """
    figures = dict(zip(run.methods, run.points(metric, run.methods), strict=True))
    marks = [
        (name, key, point)
        for key, controls in ((METHOD, False), (CONTROL, True))
        for name, point in figures.items()
        if point is not None and (name in CONTROLS) is controls
    ]
    if not marks:
        return None
    marks += [(name, GOLD, point) for name, point in extra]
    rows = [name for name, _, _ in marks]
    keys = [key for _, key, _ in marks]
    papers = published(run.task, metric)
    series = [
        Series(legend, key, tuple(point if key == other else None for _, other, point in marks))
        for legend, key in (("method of this run", METHOD), ("control", CONTROL), ("people or target", GOLD))
    ] + [
        Series(f"published: {paper.model}", key, published_points(paper, rows))
        for key, paper in zip(PUBLISHED_KEYS, papers, strict=False)
    ]
    unit = measure(metric).label
    parts = (measure(metric).sentence, f"{run.count}. {INTERVAL}", source(run.task, papers), run.line)
    return Figure(
        title,
        " ".join(part for part in parts if part),
        dot_plot(rows, series, unit, breaks={i for i in range(1, len(keys)) if keys[i] != keys[i - 1]}),
        Table(
            f"{capital(unit)}, with 95 % interval",
            ("method", "this run", *(f"{paper.model} ({paper.source})" for paper in papers)),
            tuple(
                (
                    name,
                    with_interval(point),
                    *(with_interval(published_points(paper, [name])[0]) for paper in papers),
                )
                for name, _, point in marks
            ),
        ),
    )


def published_points(paper: PublishedFigures, rows: Sequence[str]) -> tuple[Point | None, ...]:
    """A published figure by row; None where there is none."""
    return tuple(Point(paper.figures[name]) if name in paper.figures else None for name in rows)


def source(task: str, papers: Sequence[PublishedFigures]) -> str:
    """Where the hollow marks come from; empty without any."""
    if not papers:
        return ""
    tables = ", ".join(dict.fromkeys(paper.source for paper in papers))
    return f"{caution(task)} {tables} of {PAPER}."
