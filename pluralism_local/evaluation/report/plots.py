"""Three kinds of drawing: dots with intervals, bars side by side, bars that add up.

rows, Series… ──dot_plot | paired_bars──> Drawing          rows, Series (parts) ──stacked_bars──> Drawing

A row is a label; each series has a point, or None, per row. Marks, intervals and bars lie within the axis. Labels are
cut where they are too long: the table beneath a drawing has them whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pluralism_local.evaluation.report import svg
from pluralism_local.evaluation.report.svg import Axis, Drawing

WIDTH = 640
_LABELS = 230
_MARGIN = 24
_LEGEND = 20
_FOOT = 40
_DESCRIBED = 12


@dataclass(frozen=True, slots=True)
class Point:
    """A figure, with the ends of its interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def bounds(self) -> tuple[float, ...]:
        """Every number of it."""
        ends = () if self.low is None or self.high is None else (self.low, self.high)
        return (self.value, *ends)

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Series:
    """One mark of the legend; `key` chooses its shape and colour, 0 (the method in question) to 6."""

    name: str
    key: int
    points: tuple[Point | None, ...]


def dot_plot(
    rows: Sequence[str],
    series: Sequence[Series],
    unit: str,
    *,
    breaks: Collection[int] = (),
    low: float = 0.0,
) -> Drawing:
    """A line per row, a mark per point, intervals as lines through the marks.

    Args:
        unit: what the axis counts.
        breaks: rows before which a rule sets the next ones apart.
        low: the axis begins there, or at the smallest value if that is below; 0 is marked where it is inside.
    """
    drawn = [entry for entry in series if any(entry.points)]
    left, top = _left(rows), _head(drawn)
    axis = svg.axis([low, *_numbers(drawn)], left, WIDTH - _MARGIN)
    body, y = [_legend(drawn)], float(top)
    for place, label in enumerate(rows):
        points = [(entry.key, point) for entry in drawn if (point := entry.points[place]) is not None]
        if place in breaks:
            body.append(svg.line(0, y + 4, WIDTH, y + 4, "rule"))
            y += 8
        height = 12.0 + 9 * max(1, len(points))
        middle = y + height / 2
        body.append(svg.text(left - 12, middle + 4, svg.clip(label, _LABELS), anchor="end"))
        body.append(svg.line(left, middle, axis.right, middle, "row"))
        for order, (key, point) in enumerate(points):
            at = middle + 9 * (order - (len(points) - 1) / 2)
            if point.low is not None and point.high is not None:
                body.append(svg.line(axis.at(point.low), at, axis.at(point.high), at, f"interval k{key}"))
            body.append(svg.mark(axis.at(point.value), at, key))
        y += height
    return _drawing([_grid(axis, top, y, unit), *body], y, _words("Dot plot", rows, drawn, unit))


def paired_bars(rows: Sequence[str], series: Sequence[Series], unit: str) -> Drawing:
    """Bars of every series one below the other, row by row, from 0."""
    drawn = [entry for entry in series if any(entry.points)]
    left, top = _left(rows), _head(drawn)
    axis = svg.axis([0.0, *_numbers(drawn)], left, WIDTH - _MARGIN)
    body, y = [_legend(drawn, bars=True)], float(top)
    for place, label in enumerate(rows):
        height = 10.0 + 11 * len(drawn)
        body.append(svg.text(left - 12, y + height / 2 + 4, svg.clip(label, _LABELS), anchor="end"))
        for order, entry in enumerate(drawn):
            point = entry.points[place]
            if point is not None:
                length = axis.at(point.value) - axis.left
                body.append(svg.bar(axis.left, y + 5 + 11 * order, length, 10, entry.key))
        y += height
    return _drawing([_grid(axis, top, y, unit), *body], y, _words("Bars", rows, drawn, unit))


def stacked_bars(rows: Sequence[str], parts: Sequence[Series], unit: str) -> Drawing:
    """A bar per row, the parts in order from 0; values below 0 count as 0."""
    drawn = [part for part in parts if any(part.points)]
    left, top = _left(rows), _head(drawn)
    totals = [sum(_length(part, place) for part in drawn) for place in range(len(rows))]
    axis = svg.axis([0.0, *totals], left, WIDTH - _MARGIN)
    body, y = [_legend(drawn, bars=True)], float(top)
    for place, label in enumerate(rows):
        body.append(svg.text(left - 12, y + 15, svg.clip(label, _LABELS), anchor="end"))
        done = 0.0
        for part in drawn:
            begin, done = done, done + _length(part, place)
            body.append(svg.bar(axis.at(begin), y + 4, axis.at(done) - axis.at(begin), 14, part.key))
        y += 24
    return _drawing([_grid(axis, top, y, unit), *body], y, _words("Stacked bars", rows, drawn, unit))


def _length(part: Series, place: int) -> float:
    point = part.points[place]
    return 0.0 if point is None else max(0.0, point.value)


def _numbers(series: Sequence[Series]) -> list[float]:
    return [
        number for entry in series for point in entry.points if point is not None for number in point.bounds
    ]


def _left(rows: Sequence[str]) -> float:
    """Where the axis begins: right of the longest label."""
    return 12 + max((svg.width_of(svg.clip(label, _LABELS)) for label in rows), default=0.0)


def _head(series: Sequence[Series]) -> int:
    """Height of the legend."""
    return 8 + _LEGEND * len(_lines(series))


def _lines(series: Sequence[Series]) -> list[list[tuple[float, Series]]]:
    """The legend's lines, each of (x, series); none for a single series, which the caption names."""
    lines: list[list[tuple[float, Series]]] = []
    x = 0.0
    for entry in series if len(series) > 1 else ():
        width = 46 + svg.width_of(svg.clip(entry.name, WIDTH - 46))
        if not lines or x + width > WIDTH:
            lines.append([])
            x = 0.0
        lines[-1].append((x, entry))
        x += width
    return lines


def _legend(series: Sequence[Series], *, bars: bool = False) -> str:
    marks = []
    for place, row in enumerate(_lines(series)):
        y = 12.0 + _LEGEND * place
        for x, entry in row:
            marks.append(svg.bar(x + 2, y - 5, 12, 10, entry.key) if bars else svg.mark(x + 8, y, entry.key))
            marks.append(svg.text(x + 22, y + 4, svg.clip(entry.name, WIDTH - 46)))
    return "".join(marks)


def _grid(axis: Axis, top: float, bottom: float, unit: str) -> str:
    decimals = max((len(f"{tick:.6f}".rstrip("0").partition(".")[2]) for tick in axis.ticks), default=0)
    lines = []
    for tick in axis.ticks:
        x = axis.at(tick)
        zero = tick == 0 and axis.low < 0
        lines.append(svg.line(x, top, x, bottom, "zero" if zero else "grid"))
        lines.append(svg.text(x, bottom + 16, f"{tick:,.{decimals}f}", anchor="middle", kind="tick"))
    middle = (axis.left + axis.right) / 2
    return "".join(lines) + svg.text(
        middle, bottom + 34, svg.clip(unit, axis.right - axis.left + 80), anchor="middle", kind="tick"
    )


def _drawing(body: Sequence[str], bottom: float, desc: str) -> Drawing:
    return Drawing(WIDTH, round(bottom) + _FOOT, "".join(body), desc)


def _words(kind: str, rows: Sequence[str], series: Sequence[Series], unit: str) -> str:
    """The drawing in words; long ones in full only in their table."""
    head = f"{kind}; axis: {unit}."
    if len(rows) > _DESCRIBED:
        return f"{head} {len(rows)} rows, from {rows[0]} to {rows[-1]}; the table has every figure."
    figures = [
        f"{label}: "
        + ", ".join(f"{entry.name} {point}" for entry in series if (point := entry.points[place]))
        for place, label in enumerate(rows)
    ]
    return f"{head} {'; '.join(figures)}."
