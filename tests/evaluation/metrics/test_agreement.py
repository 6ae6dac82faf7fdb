"""Agreement against Fleiss' published example and definitions written out."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.metrics import fleiss_kappa, outcome, two_orders

# 14 judges, 10 items, 5 categories: the usual worked example, kappa 0.210
EXAMPLE = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def by_pairs(table: list[list[int]]) -> float:
    """Kappa by asking every pair of judges whether they agree."""
    judged = [[category for category, count in enumerate(row) for _ in range(count)] for row in table]
    pairs = [left == right for row in judged for left, right in itertools.combinations(row, 2)]
    observed = Fraction(sum(pairs), len(pairs))
    everything = [category for row in judged for category in row]
    expected = sum(
        (Fraction(everything.count(category), len(everything)) ** 2 for category in set(everything)),
        Fraction(0),
    )
    return float((observed - expected) / (1 - expected))


def test_the_worked_example() -> None:
    assert fleiss_kappa(EXAMPLE) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(EXAMPLE) == pytest.approx(by_pairs(EXAMPLE), abs=1e-12)


def test_by_hand() -> None:
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1
    # P̄ = (1 + 1/3) / 2 = 2/3, shares 5/6 and 1/6, P̄e = 26/36
    assert fleiss_kappa([[3, 0], [2, 1]]) == pytest.approx((2 / 3 - 26 / 36) / (10 / 36), abs=1e-12)


@given(st.lists(st.tuples(*[st.sampled_from([0, 1, 2])] * 4), min_size=1, max_size=8))
def test_pair_by_pair(answers: list[tuple[int, ...]]) -> None:
    table = [[row.count(category) for category in range(3)] for row in answers]
    if len({category for row in answers for category in row}) == 1:
        assert math.isnan(fleiss_kappa(table))
    else:
        assert fleiss_kappa(table) == pytest.approx(by_pairs(table), abs=1e-12)


@pytest.mark.parametrize("table", [[[3, 0], [3, 0]], [[1, 0], [0, 1]], [[0, 0]], [[math.nan, 2]], [[]]])
def test_kappa_that_is_not_defined_is_nan(table: list[list[float]]) -> None:
    assert math.isnan(fleiss_kappa(table))


def test_tables_that_kappa_cannot_use() -> None:
    with pytest.raises(InvalidInput, match="got 2 to 3") as caught:
        fleiss_kappa([[3, 0], [1, 1]])
    assert "Leave out" in caught.value.hint
    for table in ([[0.5, 0.5]], [[3, -1]]):
        with pytest.raises(InvalidInput, match="whole numbers"):
            fleiss_kappa(table)
    with pytest.raises(ValueError, match="table"):
        fleiss_kappa([3, 0])


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ("1", "2", "1"),  # a both times
        ("2", "1", "2"),  # b both times
        ("1", "1", "tie"),  # whoever came first
        ("2", "2", "tie"),  # whoever came last
        ("tie", "tie", "tie"),
        ("1", "tie", "tie"),
        ("tie", "2", "tie"),
    ],
)
def test_two_orders(first: str, second: str, verdict: str) -> None:
    assert two_orders(first, second) == verdict


def test_another_word_is_no_choice() -> None:
    with pytest.raises(ValueError, match="'A'"):
        two_orders("1", "A")


def test_from_verdicts_to_outcomes() -> None:
    verdicts = [two_orders("1", "2"), two_orders("2", "1"), two_orders("1", "1"), two_orders("1", "2")]
    assert [outcome(verdict) for verdict in verdicts] == ["win", "lose", "tie", "win"]
