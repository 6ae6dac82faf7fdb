"""What judges said of pairs of responses: win, tie and lose shares (the paper's Figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pluralism_local.display.figures import finite
from pluralism_local.evaluation.report.blocks import Block, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.plots import Point, Series, stacked_bars
from pluralism_local.evaluation.report.views import ABSENT, RunView, point, with_interval

_OUTCOMES = (("win", 0), ("tie", 2), ("lose", 1))

Opponents = Mapping[str, Mapping[str, Any]]


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run that was judged a figure for each judge, and how far several agree."""
    content: list[Block] = []
    for run in runs:
        judge = run.judge or {}
        of_run: list[Block] = [_figure(run, judge, *verdicts) for verdicts in _judges(judge)]
        of_run += _unread(judge)
        if of_run:
            content += [Heading(run.title), *of_run, *_agreement(judge)]
    return content


def _judges(judge: Mapping[str, Any]) -> Iterator[tuple[str, Opponents]]:
    """(judge, opponents) of "judges", or of the file itself where it is of a single one; without figures, nothing."""
    several = judge.get("judges")
    for record in several if isinstance(several, list) else [judge]:
        opponents = record.get("opponents") if isinstance(record, Mapping) else None
        rows = {
            str(name): row
            for name, row in (opponents.items() if isinstance(opponents, Mapping) else ())
            if isinstance(row, Mapping) and all(_share(row.get(outcome)) for outcome, _ in _OUTCOMES)
        }
        if rows:
            yield str(record.get("judge", "a model")), rows


def _figure(run: RunView, judge: Mapping[str, Any], name: str, rows: Opponents) -> Figure:
    a = str(judge.get("a", "ours"))
    points = {outcome: tuple(_share(row[outcome]) for row in rows.values()) for outcome, _ in _OUTCOMES}
    return Figure(
        f"{a} against each opponent, judged by {name}",
        f"Share of pairs of responses that {a} wins, ties and loses, asked in both orders; where the orders disagree "
        f"it is a tie. n is the number of pairs. Intervals are 95 %, over {run.groups}. A judge is a model, too, and "
        f"its preference is not the people's. {run.line}",
        stacked_bars(
            [f"{a} against {opponent}" for opponent in rows],
            [Series(f"{a}: {outcome}", key, points[outcome]) for outcome, key in _OUTCOMES],
            "share of pairs",
        ),
        Table(
            f"{a} against each opponent, judged by {name}, with 95 % interval",
            ("opponent", *(outcome for outcome, _ in _OUTCOMES), "n"),
            tuple(
                (
                    opponent,
                    *(with_interval(points[outcome][place]) for outcome, _ in _OUTCOMES),
                    _count(row.get("n")),
                )
                for place, (opponent, row) in enumerate(rows.items())
            ),
        ),
    )


def _unread(judge: Mapping[str, Any]) -> Iterator[Paragraph]:
    """What is said of answers that name neither response nor a tie."""
    several = judge.get("judges")
    for record in several if isinstance(several, list) else []:
        opponents = record.get("opponents") if isinstance(record, Mapping) else None
        for opponent, row in opponents.items() if isinstance(opponents, Mapping) else ():
            count = finite(row.get("unparsed")) if isinstance(row, Mapping) else None
            if not count:
                continue
            answers = 2 * int(finite(row.get("n")) or 0)
            result = "so there is no result" if _share(row.get("win")) is None else "and stand for a tie"
            yield Paragraph(
                f"{record.get('judge', 'a model')} against {opponent}: {int(count)} of {answers} answers "
                f"cannot be read, {result}."
            )


def _agreement(judge: Mapping[str, Any]) -> list[Paragraph]:
    kappa = judge.get("fleiss_kappa")
    agreement = point(kappa)
    if agreement is None or not isinstance(kappa, Mapping):
        return []
    return [
        Paragraph(
            f"Agreement of {_count(kappa.get('judges'))} judges, Fleiss' kappa: {with_interval(agreement)} on "
            f"{_count(kappa.get('n'))} pairs; 0 is chance, 1 full agreement (the paper's five annotators: 0.4678)."
        )
    ]


def _share(figure: object) -> Point | None:
    """A figure in [0, 1]."""
    share = point(figure)
    return share if share is not None and 0 <= share.value <= 1 else None


def _count(value: object) -> str:
    number = finite(value)
    return ABSENT if number is None else str(int(number))
