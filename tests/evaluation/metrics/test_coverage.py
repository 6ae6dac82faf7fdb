"""Overton coverage and faithfulness against tables counted by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.evaluation.metrics import coverage_score, covered, faithfulness

tables = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: st.lists(
        st.lists(st.floats(0, 1), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


def test_covered_by_hand() -> None:
    flags = np.array([[False, True, True], [False, False, False], [True, False, False]])
    assert covered(flags) == pytest.approx(2 / 3, abs=1e-12)
    assert covered([[1, 0], [0, 0], [0, 0], [0, 0]]) == 1 / 4


def test_coverage_score_by_hand() -> None:
    score = coverage_score([[0.1, 0.9], [0.25, 0.05], [0.0, 0.5]])
    assert score == pytest.approx(float(Fraction(9, 10) + Fraction(1, 4) + Fraction(1, 2)) / 3, abs=1e-12)


@given(tables)
def test_coverage_score_is_the_released_loop(table: list[list[float]]) -> None:
    best = []
    for row in table:
        now = -1.0
        for value in row:
            now = max(now, value)
        best.append(now)
    assert coverage_score(table) == pytest.approx(sum(best) / len(best), abs=1e-12)
    flags = [[value > 0.5 for value in row] for row in table]
    assert covered(flags) == pytest.approx(sum(map(any, flags)) / len(flags), abs=1e-12)


def test_an_empty_response_covers_nothing() -> None:
    assert coverage_score(np.zeros((3, 0))) == 0
    assert covered(np.zeros((3, 0), dtype=bool)) == 0
    assert covered([[], []]) == 0


def test_a_situation_without_values_has_no_score() -> None:
    empty: list[npt.ArrayLike] = [[], np.zeros((0, 4)), np.zeros((0, 0))]
    for nothing in empty:
        assert math.isnan(covered(nothing)) and math.isnan(coverage_score(nothing))


def test_faithfulness_by_hand() -> None:
    #          s1     s2     s3     s4
    flags = [
        [True, False, False, True],
        [False, False, False, True],
        [False, False, False, False],
    ]
    found = faithfulness(flags)
    assert found.reflected == pytest.approx(2 / 3, abs=1e-12)
    assert found.new == pytest.approx(2 / 4, abs=1e-12)
    assert found == (found.reflected, found.new)


def test_faithfulness_of_empty_parts() -> None:
    reflected, new = faithfulness(np.zeros((2, 0)))
    assert reflected == 0 and math.isnan(new)
    reflected, new = faithfulness(np.zeros((0, 2)))
    assert math.isnan(reflected) and new == 1
    assert all(map(math.isnan, faithfulness([])))


def test_nan_stays_nan() -> None:
    table = [[math.nan, 1.0], [0.0, 1.0]]
    assert math.isnan(coverage_score(table)) and math.isnan(covered(table))
    assert all(map(math.isnan, faithfulness(table)))


def test_other_tables_are_bugs() -> None:
    with pytest.raises(ValueError, match="rows, sentences"):
        covered([True, False])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        coverage_score([[1.5]])
    with pytest.raises(ValueError, match="coverage_score"):
        covered([[0.5, 1.0]])
    with pytest.raises(ValueError, match="coverage_score"):
        faithfulness([[0.5, 1.0]])
