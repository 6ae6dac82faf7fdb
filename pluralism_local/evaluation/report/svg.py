"""Small drawing helpers: axes with round ticks, text that fits, marks of different shapes.

    values ──axis──> Axis(low, high, ticks), which turns a value into an x inside [left, right]
    Drawing(width, height, body, desc) ──render──> an inline <svg> with title and desc

Lengths are CSS pixels at the drawing's own size. Colours come from the page by class: `k0` … `k6`.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from pluralism_local.display.html import clean, element, escape

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_NARROW, _WIDE = 7.4, 12.0  # of a character at 12 px, on the safe side


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal axis. `low` < `high` are values, `left` < `right` pixels; `ticks` are values, both ends included."""

    low: float
    high: float
    left: float
    right: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """x of a value; one outside the axis is put on its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + share * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture without its title. `body` is markup, `desc` what it shows in words."""

    width: int
    height: int
    body: str
    desc: str

    def render(self, title: str, id: str) -> str:
        """The inline <svg>; `id` must be its own in the page."""
        return element(
            "svg",
            element("title", escape(title), id=f"{id}-title"),
            element("desc", escape(self.desc), id=f"{id}-desc"),
            self.body,
            viewBox=f"0 0 {self.width} {self.height}",
            width=self.width,
            height=self.height,
            role="img",
            aria_labelledby=f"{id}-title",
            aria_describedby=f"{id}-desc",
        )


def axis(values: Iterable[float], left: float, right: float, parts: int = 5) -> Axis:
    """An axis that holds all `values`, its ticks about `parts` round steps apart. All equal: 0 or 1 is added.

    NaN and infinite values are passed over; without any the axis goes from 0 to 1.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        high = 1.0
    step = _step((high - low) / parts)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(_rounded(count * step, step) for count in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], left, right, ticks)


def width_of(text: str) -> float:
    """About how wide a text is at 12 px."""
    return sum(_WIDE if unicodedata.east_asian_width(char) in "WF" else _NARROW for char in text)


def clip(text: str, width: float) -> str:
    """`text` on one line, cut with an ellipsis so that it is about `width` at most."""
    line = " ".join(clean(text).split())
    if width_of(line) <= width:
        return line
    short = ""
    for char in line:
        if width_of(short + char + "…") > width:
            break
        short += char
    return short.rstrip() + "…"


def counted(label: str, n: int, width: float = 230) -> str:
    """``"label (n 12)"``, of which the label is cut if need be."""
    count = f" (n {n})"
    return clip(label, width - width_of(count)) + count


def text(x: float, y: float, content: str, *, anchor: str = "start", kind: str = "label") -> str:
    """A line of text with its baseline at y."""
    return element("text", escape(content), x=px(x), y=px(y), text_anchor=anchor, class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of class `kind`."""
    return element("line", x1=px(x1), y1=px(y1), x2=px(x2), y2=px(y2), class_=kind)


def bar(x: float, y: float, width: float, height: float, key: int) -> str:
    """A filled rectangle in colour `key`."""
    return element(
        "rect", x=px(x), y=px(y), width=px(max(width, 0.0)), height=px(height), class_=f"bar k{key}"
    )


def mark(x: float, y: float, key: int) -> str:
    """The mark of series `key`: shape and colour both tell it from the others."""
    r = 4.5
    corners: tuple[tuple[float, float], ...]
    kind = f"mark k{key}" + (" hollow" if key >= 2 else "")
    match key:
        case 0 | 2:
            return element("circle", cx=px(x), cy=px(y), r=px(r), class_=kind)
        case 1 | 5:
            return element("rect", x=px(x - 4), y=px(y - 4), width="8", height="8", class_=kind)
        case 3:
            corners = ((x, y - r - 1), (x + r + 1, y), (x, y + r + 1), (x - r - 1, y))
        case 4:
            corners = ((x, y - r - 1), (x + r + 0.5, y + r - 0.5), (x - r - 0.5, y + r - 0.5))
        case _:
            corners = ((x, y + r + 1), (x + r + 0.5, y - r + 0.5), (x - r - 0.5, y - r + 0.5))
    return element("polygon", points=" ".join(f"{px(a)},{px(b)}" for a, b in corners), class_=kind)


def px(value: float) -> str:
    """A length with one decimal at most."""
    return f"{value:.1f}".removesuffix(".0")


def _step(least: float) -> float:
    """The smallest round step of at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in _STEPS if factor * power >= least * (1 - 1e-9))


def _rounded(value: float, step: float) -> float:
    """Without the dust of floating point; never -0."""
    return round(value, max(0, 2 - math.floor(math.log10(step)))) + 0.0
