"""Distributions: by the parts that a task divides into, and questions one can look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.display.figures import finite
from pluralism_local.display.html import clean
from pluralism_local.evaluation.methods import CONTROLS
from pluralism_local.evaluation.report.analyses import examples
from pluralism_local.evaluation.report.blocks import Block, Details, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.measures import capital, measure
from pluralism_local.evaluation.report.plots import Point, Series, dot_plot, paired_bars
from pluralism_local.evaluation.report.published import published
from pluralism_local.evaluation.report.sections.common import PUBLISHED_KEYS, source
from pluralism_local.evaluation.report.svg import counted
from pluralism_local.evaluation.report.views import INTERVAL, RunView, point, with_interval, with_scores
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import Task
from pluralism_local.evaluation.tasks.facts import Partition

FEW = 5
"""Parts with fewer samples are folded: their figures say nothing of a country."""

_QUESTION = 400


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run what its task divides into, and three example questions where people were asked."""
    content: list[Block] = []
    for run in with_scores(runs):
        task, of_run = run.facts, list[Block]()
        if task is None or task.answers != "distribution":
            continue
        for partition in task.partitions:
            of_run += _by_part(run, partition) + _beside(run, partition)
        if task.gold == "people":
            of_run += _examples(run, task)
        if of_run:
            content += [Heading(run.title), Paragraph(run.line, "aside"), *of_run]
    return content


def _by_part(run: RunView, partition: Partition) -> list[Block]:
    """A line per part, sorted by the method in question, best first; small parts folded."""
    if partition.figure is None:
        return []
    focus, (metric, title) = run.focus, partition.figure
    rows = {} if focus is None else run.parts(partition.name, focus)
    figures = {name: figure for name, row in rows.items() if (figure := point(row.get(metric))) is not None}
    if focus is None or not figures:
        return []
    sign = -1 if measure(metric).better == "higher" else 1
    ordered = sorted(figures, key=lambda name: (sign * figures[name].value, name))
    sizes = {name: _size(rows[name], metric) for name in ordered}
    large = [name for name in ordered if sizes[name] >= FEW]
    small = [name for name in ordered if sizes[name] < FEW]
    content: list[Block] = []
    if large:
        content.append(_part_figure(run, partition, metric, title, large, sizes))
    if small:
        table = _part_table(run, partition, metric, small, sizes)
        summary = f"{len(small)} with fewer than {FEW} samples, too few to say anything of them"
        content.append(Details(summary, (table,)))
    return content


def _part_figure(
    run: RunView,
    partition: Partition,
    metric: str,
    title: str,
    names: Sequence[str],
    sizes: Mapping[str, int],
) -> Figure:
    focus = run.focus or ""
    shown_methods = [focus, *(name for name in ("vanilla",) if name in run.methods and name != focus)]
    series = [
        Series(method, key, _part_points(run, partition.name, metric, method, names, interval=not key))
        for key, method in enumerate(shown_methods)
    ]
    papers = {name: published(run.task, metric, name) for name in names}
    models = list(dict.fromkeys(paper.model for row in papers.values() for paper in row))
    for key, model in zip(PUBLISHED_KEYS, models, strict=False):
        points = tuple(
            next((Point(paper.figures["ours"]) for paper in papers[name] if paper.model == model), None)
            for name in names
        )
        series.append(Series(f"published: {model}, ours", key, points))
    label = measure(metric).label
    every = tuple(paper for row in papers.values() for paper in row)
    return Figure(
        title,
        f"{measure(metric).sentence} Sorted by {focus}; n of each is beside its name; "
        f"those with fewer than {FEW} samples are folded below. {INTERVAL} They are shown for {focus}; a part's place "
        f"among others is uncertain where intervals overlap. {source(run.task, every)} {run.line}",
        dot_plot([counted(partition.in_words(name), sizes[name]) for name in names], series, label),
        _part_table(run, partition, metric, names, sizes),
    )


def _part_points(
    run: RunView, partition: str, metric: str, method: str, names: Sequence[str], *, interval: bool
) -> tuple[Point | None, ...]:
    rows = run.parts(partition, method)
    points = (point(rows.get(name, {}).get(metric)) for name in names)
    return tuple(figure if interval or figure is None else Point(figure.value) for figure in points)


def _part_table(
    run: RunView, partition: Partition, metric: str, names: Sequence[str], sizes: Mapping[str, int]
) -> Table:
    # chance by parts is not kept: the uniform control's most likely option is its first
    methods = [name for name in run.methods if metric == "js_distance" or name not in CONTROLS]
    papers = [paper for name in names for paper in published(run.task, metric, name)]
    heads = {paper.model: f"{paper.model}, ours ({paper.source})" for paper in papers}
    rows = []
    for name in names:
        own = {paper.model: paper.figures["ours"] for paper in published(run.task, metric, name)}
        others = (with_interval(Point(own[model]) if model in own else None) for model in heads)
        figures = (
            with_interval(point(run.parts(partition.name, method).get(name, {}).get(metric)))
            for method in methods
        )
        rows.append((partition.in_words(name), str(sizes[name]), *figures, *others))
    caption = f"{capital(measure(metric).label)} by {partition.name}, with 95 % interval"
    return Table(caption, (partition.name, "n", *methods, *heads.values()), tuple(rows))


def _size(row: Mapping[str, Any], metric: str) -> int:
    return int(finite(row[metric].get("n")) or 0)


def _beside(run: RunView, partition: Partition) -> list[Block]:
    """Parts side by side, a figure for each metric that has a target there."""
    content: list[Block] = []
    for metric, about in partition.beside.items():
        points = [run.points(f"{metric}_{part}", run.methods) for part in partition.parts]
        if not any(any(row) for row in points):
            continue
        rows = list(run.methods)
        sizes = ", ".join(
            f"n = {_size(row, metric)} {name}"
            for name, row in run.parts(partition.name, run.focus or "").items()
        )
        controls = sum(name in CONTROLS for name in rows)
        papers = [
            (paper, part) for part in partition.parts for paper in published(run.task, f"{metric}_{part}")
        ]
        heads = [f"{paper.model}, {part} ({paper.source})" for paper, part in papers]
        label = measure(metric).label
        places = " and ".join(f"at {part}" for part in partition.parts)
        content.append(
            Figure(
                f"{capital(measure(metric).name)} {places} {partition.name}",
                f"{capital(label)}. {about} {sizes}. {INTERVAL} {run.line}",
                dot_plot(
                    rows,
                    [
                        Series(f"{part} {partition.name}", key, row)
                        for key, (part, row) in enumerate(zip(partition.parts, points, strict=True))
                    ],
                    label,
                    breaks={len(rows) - controls} - {0, len(rows)},
                ),
                Table(
                    f"{capital(label)} by {partition.name}, with 95 % interval",
                    ("method", *partition.parts, *heads),
                    tuple(
                        (
                            name,
                            *(with_interval(row[place]) for row in points),
                            *(
                                with_interval(Point(paper.figures[name]) if name in paper.figures else None)
                                for paper, _ in papers
                            ),
                        )
                        for place, name in enumerate(rows)
                    ),
                ),
            )
        )
    return content


def _examples(run: RunView, task: Task) -> list[Block]:
    """The nearest, the middle and the farthest answer of the method in question beside the people's."""
    focus, summary = run.focus, run.summary
    if focus is None or summary is None:
        return []
    content: list[Block] = []
    for place, sample, distance in examples(summary, focus):
        answer = run.results.get(focus, {}).get(sample.id)
        if isinstance(answer, Prediction) and answer.distribution is not None:
            content.append(Paragraph(_question(sample), "quote"))
            if answer.stand_in:
                content.append(
                    Paragraph(
                        "The model gave none of the options any probability here, at least after some comments: "
                        "even shares stand in."
                    )
                )
            content.append(
                _example(run, focus, place, sample, task.who(sample), answer.distribution, distance)
            )
    head = Paragraph(
        f"Three questions, not chosen by hand: those on which the answer of {focus} is nearest to the people's, in the "
        "middle, and farthest. A model's estimate is not the people's answer."
    )
    return [head, *content] if content else []


def _example(
    run: RunView,
    focus: str,
    place: str,
    sample: Sample,
    who: str,
    answer: Sequence[float],
    distance: float,
) -> Figure:
    model = f"estimate of {focus} with {run.model}"
    people = f"people asked: {who}"
    return Figure(
        f"The {place} answer: {who}",
        f"Probability of each option. J–S distance {distance:.3f}; one question, so without an interval. {run.line}",
        paired_bars(
            sample.options,
            [
                Series(model, 0, tuple(map(Point, answer))),
                Series(people, 1, tuple(map(Point, sample.gold))),
            ],
            "probability (share)",
        ),
        Table(
            "Probability by option",
            ("option", model, people),
            tuple(
                (option, f"{p:.3f}", f"{q:.3f}")
                for option, p, q in zip(sample.options, answer, sample.gold, strict=True)
            ),
        ),
    )


def _question(sample: Sample) -> str:
    text = clean(sample.question).strip().removesuffix("Answer:").rstrip()
    return text if len(text) <= _QUESTION else text[:_QUESTION].rstrip() + " …"
