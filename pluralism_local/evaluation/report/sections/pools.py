"""Pools compared: runs that differ in nothing else (the paper's Table 4), and what a patch changes (Figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.report.analyses import (
    base_of,
    on_samples,
    pool_difference,
    pool_difference_by_part,
    values_by_sample,
)
from pluralism_local.evaluation.report.blocks import Block, Details, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.measures import capital, measure, primary
from pluralism_local.evaluation.report.plots import Point, Series, dot_plot
from pluralism_local.evaluation.report.published import PAPER, published_pools
from pluralism_local.evaluation.report.sections.distributions import FEW
from pluralism_local.evaluation.report.svg import counted
from pluralism_local.evaluation.report.views import INTERVAL, RunView, of_estimate, with_interval, with_scores
from pluralism_local.files import digest


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """A comparison per group of runs that differ in their pool alone."""
    content: list[Block] = []
    for group in _groups(runs):
        first = group[0]
        metric = primary(first.task) or ""
        shared = _shared(group, metric)
        if not shared:
            continue
        content += [
            Heading(f"{first.task}: {first.model}, {len(group)} pools"),
            _by_pool(group, metric, shared),
        ]
        for run in group:
            base = next((other for other in group if other.pool == base_of(run.pool)), None)
            if base is not None:
                content += _patch(base, run, metric)
            elif base_of(run.pool) is not None:
                content.append(
                    Paragraph(
                        f"{run.pool} patches the pool {base_of(run.pool)}, of which no such run is in this report.",
                        "aside",
                    )
                )
    return content


def _groups(runs: Sequence[RunView]) -> list[list[RunView]]:
    """Runs of which all but the pool is the same, with ours scored; one per pool, two at least, by pool."""
    groups: dict[str, dict[str, RunView]] = {}
    for run in with_scores(runs):
        rest = {name: value for name, value in run.identity.items() if name != "pool"}
        if run.summary is not None and "ours" in run.methods and primary(run.task):
            groups.setdefault(digest(rest), {}).setdefault(digest(run.identity["pool"]), run)
    return [
        sorted(group.values(), key=lambda run: (run.pool, run.id))
        for group in groups.values()
        if len(group) > 1
    ]


def _shared(group: Sequence[RunView], metric: str) -> frozenset[str]:
    """Samples that every run of the group has answered."""
    ids = [frozenset(values_by_sample(run.summary, metric)) for run in group if run.summary is not None]
    return frozenset.intersection(*ids)


def _by_pool(group: Sequence[RunView], metric: str, shared: frozenset[str]) -> Figure:
    estimates = [on_samples(run.summary, metric, shared) for run in group if run.summary is not None]
    rows = [_name(run, group) for run in group]
    points = tuple(map(of_estimate, estimates))
    label = measure(metric).label
    paper = published_pools(group[0].task, metric)
    series = [Series("ours in this report", 0, points)]
    head: tuple[str, ...] = ("pool", "communities", "ours")
    cells: list[tuple[str, ...]] = [
        (name, str(len(run.identity["pool"]["members"])), with_interval(point))
        for name, run, point in zip(rows, group, points, strict=True)
    ]
    remark = ""
    if paper is not None:
        theirs = [Point(paper.figures[run.pool]) if run.pool in paper.figures else None for run in group]
        series.append(Series(f"published: {paper.model}, the paper's own pools", 3, tuple(theirs)))
        head = (*head, f"{paper.model} ({paper.source})")
        cells = [(*row, with_interval(figure)) for row, figure in zip(cells, theirs, strict=True)]
        remark = (
            f" Hollow marks: {paper.source} of {PAPER}, another model with other communities under the same pools' "
            "names."
        )
    return Figure(
        "ours by pool",
        f"{measure(metric).sentence} The runs differ in nothing but the pool; "
        f"n = {len(shared)} samples that all of them answered. {INTERVAL}{remark} Model {group[0].model}; runs "
        f"{', '.join(run.id for run in group)}.",
        dot_plot(rows, series, label),
        Table(f"{capital(label)} of ours by pool, with 95 % interval", head, tuple(cells)),
    )


def _patch(base: RunView, run: RunView, metric: str) -> list[Block]:
    """The patched pool minus its base, as a whole and by country."""
    if base.summary is None or run.summary is None:
        return []
    whole = pool_difference(base.summary, run.summary, metric)
    if whole is None:
        return []
    partitions = () if run.facts is None else run.facts.partitions
    partition = next((partition for partition in partitions if partition.patched), None)
    parts: Mapping[str, Estimate] = (
        {}
        if partition is None
        else pool_difference_by_part(base.summary, run.summary, metric, partition.part_of)
    )
    plural, remark = ("parts", "") if partition is None else (partition.plural, f"{partition.patched} ")
    ordered = sorted(parts, key=lambda name: (parts[name].value, name))
    large = {"all samples": whole} | {name: parts[name] for name in ordered if parts[name].n >= FEW}
    small = {name: parts[name] for name in ordered if parts[name].n < FEW}
    label = measure(metric).label
    side = "left" if measure(metric).better == "lower" else "right"
    title = f"{run.pool} minus {base.pool}"
    content: list[Block] = [
        Figure(
            title,
            f"Difference of the {label} of ours that the added community makes; {side} of 0 the patched pool is "
            f"better. n = {whole.n} samples, paired; intervals are 95 %, and one that leaves out 0 is beyond chance, "
            "though of many "
            f"{plural} one in twenty leaves it out by chance. "
            + (remark if parts else "")
            + f"Model {run.model}; runs {run.id} and {base.id}.",
            dot_plot(
                [counted(name, estimate.n) for name, estimate in large.items()],
                [Series("difference", 0, tuple(of_estimate(estimate) for estimate in large.values()))],
                f"difference of the {measure(metric).name}",
                breaks={1} if len(large) > 1 else (),
            ),
            _patch_table(title, large),
        )
    ]
    if small:
        content.append(
            Details(f"{len(small)} {plural} with fewer than {FEW} samples", (_patch_table(title, small),))
        )
    return content


def _patch_table(title: str, rows: Mapping[str, Estimate]) -> Table:
    return Table(
        f"{title}, with 95 % interval",
        ("samples of", "n", "difference"),
        tuple(
            (name, str(estimate.n), with_interval(of_estimate(estimate))) for name, estimate in rows.items()
        ),
    )


def _name(run: RunView, group: Sequence[RunView]) -> str:
    """The pool's id; with the run's where two pools of the group are called alike."""
    alike = sum(other.pool == run.pool for other in group) > 1
    return f"{run.pool} ({run.id})" if alike else run.pool
