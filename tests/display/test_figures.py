"""Texts and numbers for people."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pluralism_local.display.figures import (
    bar,
    beginning,
    clean,
    finite,
    flat,
    many,
    one_line,
    padded,
    percent,
    tokens,
)


@given(st.text(max_size=60), st.integers(min_value=2, max_value=40))
def test_padded_text_takes_exactly_its_cells(text: str, width: int) -> None:
    assert cell_len(padded(text, width)) == width
    assert "\n" not in padded(text, width)


@given(st.text(), st.integers(min_value=2, max_value=80))
def test_one_line_fits_and_begins_as_the_text_does(text: str, width: int) -> None:
    whole, short = one_line(text), one_line(text, width)
    assert cell_len(short) <= width
    assert short == whole or (short.endswith("…") and whole.startswith(short[:-1]))


def test_texts_are_cut_between_words_and_cleaned() -> None:
    assert one_line("a\x1b[2Jb\n  c\u202ed") == "a[2Jb cd"
    assert one_line("one two three four", 12) == "one two…"
    assert one_line("学校で電話を禁止", 9) == "学校で電…"
    assert clean("a\x1b\x9bb\n\tc") == "ab\n\tc"
    assert beginning("x" * 10, 4) == "xxxx… (10 characters)"
    assert beginning("x" * 10, 10) == "x" * 10


def test_numbers_are_written_for_reading() -> None:
    assert (percent(0.5417), percent(0), percent(1)) == ("54.2 %", "0.0 %", "100.0 %")
    assert (tokens(1234), tokens(1234, short=True), tokens(999, short=True)) == ("1,234", "1.2k", "999")


def test_bars_show_whatever_is_there() -> None:
    assert [bar(p, 10) for p in (0, 1e-9, 0.5, 1)] == ["", "▇", "▇" * 5, "▇" * 10]
    assert bar(0.5, 28, "#") == "#" * 14


def test_importing_them_costs_nothing() -> None:
    code = "import sys, pluralism_local.display.figures; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_flat_text_keeps_its_spaces_and_has_no_line_breaks() -> None:
    assert flat("/a/two  spaces\nsha256\t\u202ex\x1b[2J") == "/a/two  spaces sha256 x[2J"


def test_things_are_counted() -> None:
    assert [many(count, "row") for count in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert many(2, "community", "communities") == "2 communities"


@pytest.mark.parametrize("value", [None, True, "1", [1], 10**400, -(10**400), float("nan"), float("inf")])
def test_what_is_no_finite_number(value: object) -> None:
    assert finite(value) is None


def test_finite_numbers() -> None:
    assert [finite(value) for value in (0, -1.5, 10**15, 10**300)] == [0.0, -1.5, 1e15, 1e300]
