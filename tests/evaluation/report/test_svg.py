"""Axes, text and marks: round ticks by hand, everything inside its axis, everything escaped."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.display.html import clean, element, escape
from pluralism_local.evaluation.report import svg
from pluralism_local.evaluation.report.plots import Point, Series, dot_plot, paired_bars, stacked_bars

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
NAMES = st.text(max_size=60)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 0.31], (0.0, 0.1, 0.2, 0.3, 0.4)),
        ([-0.061, 0.012], (-0.08, -0.06, -0.04, -0.02, 0.0, 0.02)),
        ([0.0, 1.0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([0.0, 900.0], (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0)),
        ([0.0], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([-3.0], (-3.0, -2.0, -1.0, 0.0)),
        ([], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([math.nan, 0.0, math.inf], (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_ticks_are_round_and_hold_the_values(values: list[float], ticks: tuple[float, ...]) -> None:
    assert svg.axis(values, 0, 100).ticks == pytest.approx(ticks, abs=1e-12)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_every_value_lies_on_the_axis(values: list[float]) -> None:
    axis = svg.axis(values, 100, 600)
    span = axis.high - axis.low
    assert axis.low <= min(values) + 1e-6 * span and max(values) <= axis.high + 1e-6 * span
    assert list(axis.ticks) == sorted(set(axis.ticks)) and 2 <= len(axis.ticks) <= 12
    assert (axis.at(axis.low), axis.at(axis.high)) == (100, 600)
    assert axis.at((axis.low + axis.high) / 2) == pytest.approx(350)
    assert all(100 <= axis.at(value) <= 600 for value in (*values, axis.low - span, axis.high + span))


def test_text_is_cut_to_fit() -> None:
    assert svg.clip(" a\n b ", 100) == "a b"
    cut = svg.clip("w" * 100, 70)
    assert cut.endswith("…") and svg.width_of(cut) <= 70
    assert len(svg.clip("漢" * 100, 70)) < len(cut)
    assert svg.counted("x" * 100, 12, 100).endswith("… (n 12)")


@given(NAMES, st.floats(20, 300))
def test_cut_text_never_exceeds_its_width(text: str, width: float) -> None:
    assert svg.width_of(svg.clip(text, width)) <= width


def test_markup_shows_any_text_and_runs_none() -> None:
    assert escape("<script>\"&'") == "&lt;script&gt;&quot;&amp;&#x27;"
    assert clean("a\x00\x1b\x85\ud800\ufffe\nb\t") == "a\ufffd\ufffd\ufffd\ufffd\ufffd\nb\t"
    assert element("p", "x", class_="a", aria_label='"', id=None) == '<p class="a" aria-label="&quot;">x</p>'


def test_marks_differ_in_shape_or_filling() -> None:
    found = {
        re.sub(r"k\d", "", svg.mark(0, 0, key)).replace(' class="mark "', "") for key in (0, 1, 2, 3, 4, 5, 6)
    }
    assert len(found) == 7


POINTS = st.one_of(
    st.none(),
    st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda three: Point(sorted(three)[1], min(three), max(three))),
    NUMBERS.map(Point),
)


@given(st.lists(st.tuples(NAMES, POINTS, POINTS), min_size=1, max_size=5))
def test_marks_and_bars_lie_within_the_axes(table: list[tuple[str, Point | None, Point | None]]) -> None:
    rows = [name for name, _, _ in table]
    series = [
        Series("one", 0, tuple(one for _, one, _ in table)),
        Series("<two>", 1, tuple(two for _, _, two in table)),
    ]
    for drawing in (
        dot_plot(rows, series, "unit", breaks={1}),
        paired_bars(rows, series, "unit"),
        stacked_bars(rows, series, "unit"),
    ):
        tree = ElementTree.fromstring(f"<svg>{drawing.body}</svg>")
        grid = [float(one.get("x1", "")) for one in tree.iter("line") if one.get("class") in ("grid", "zero")]
        left, right = min(grid), max(grid)
        legend = 8 + 20 * (sum(any(one.points) for one in series) > 1)
        for one in tree.iter():
            kind = one.get("class", "")
            if kind.startswith("interval"):
                assert left - 0.1 <= float(one.get("x1", "")) <= float(one.get("x2", "")) <= right + 0.1
            if kind.startswith("bar") and float(one.get("y", "")) >= legend:
                start, width = float(one.get("x", "")), float(one.get("width", ""))
                assert start >= left - 0.1 and start + width <= right + 0.2 and width >= 0
            if one.tag == "circle" and float(one.get("cy", "")) >= legend:
                assert left - 0.1 <= float(one.get("cx", "")) <= right + 0.1
            for side, limit in (("x", drawing.width), ("y", drawing.height)):
                assert 0 <= float(one.get(side, 0)) <= limit


def test_a_plot_says_its_numbers_and_a_long_one_where_they_are() -> None:
    few = dot_plot(["a", "b"], [Series("s", 0, (Point(0.25, 0.2, 0.3), None))], "share")
    assert few.desc == "Dot plot; axis: share. a: s 0.250 (0.200 to 0.300); b: ."
    many = dot_plot([str(i) for i in range(80)], [Series("s", 0, (Point(0.5),) * 80)], "share")
    assert "80 rows, from 0 to 79" in many.desc and many.height > 80 * 20


def test_a_plot_without_points_has_an_axis_and_no_mark() -> None:
    drawing = dot_plot(["a"], [Series("s", 0, (None,))], "share")
    assert "mark" not in drawing.body and "grid" in drawing.body
    assert 'class="label">a<' in drawing.body
