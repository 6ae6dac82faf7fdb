"""Distances and entropies against fractions by hand and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.metrics import (
    as_distribution,
    entropy,
    js_distance,
    js_divergence,
    most_likely,
    total_variation,
)

weights = st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda values: math.fsum(values) > 0)


def normalised(values: list[float]) -> list[float]:
    total = math.fsum(values)
    return [value / total for value in values]


distributions = weights.map(normalised)
pairs = st.integers(1, 8).flatmap(
    lambda size: st.tuples(
        *[
            st.lists(st.floats(0, 1), min_size=size, max_size=size)
            .filter(lambda values: math.fsum(values) > 0)
            .map(normalised)
        ]
        * 2
    )
)


def test_divergence_by_hand() -> None:
    # m = (3/4, 1/4): ½ ln(4/3) + ½ (½ ln(2/3) + ½ ln 2) = ½ ln(4/3) + ¼ ln(4/3) = ¾ ln(4/3)
    assert js_divergence([1, 0], [0.5, 0.5]) == pytest.approx(0.75 * math.log(4 / 3), abs=1e-12)
    assert js_distance([1, 0], [0.5, 0.5]) == pytest.approx(math.sqrt(0.75 * math.log(4 / 3)), abs=1e-12)
    # p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2), m = (3/8, 1/4, 3/8): ½ ln(4/3) + ¼ ln(2/3) = ¼ ln(32/27)
    assert js_divergence([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]) == pytest.approx(
        math.log(32 / 27) / 4, abs=1e-12
    )


def test_the_base_and_the_kind_matter() -> None:
    assert js_divergence([1, 0], [0, 1]) == math.log(2)
    assert js_distance([1, 0], [0, 1]) == math.sqrt(math.log(2))
    assert js_divergence([1, 0], [0, 1], base=2) == 1
    assert js_distance([1, 0], [0, 1], base=2) == 1
    assert js_divergence([1, 0], [0.5, 0.5], base=2) == pytest.approx(0.75 * math.log2(4 / 3), abs=1e-12)


@given(pairs, st.sampled_from([None, 2.0, 10.0]))
def test_distance_is_scipys(pair: tuple[list[float], list[float]], base: float | None) -> None:
    p, q = pair
    assume(not any(0 < share < 1e-300 for share in (*p, *q)))  # scipy's middle rounds to 0 there
    # compared as divergences: near 0 the root turns scipy's rounding of 1e-16 into 1e-8
    with np.errstate(invalid="ignore"):  # scipy's sum may be below 0 by as little
        theirs = np.nan_to_num(jensenshannon(p, q, base))
    assert js_divergence(p, q, base) == pytest.approx(theirs**2, abs=1e-12)
    assert js_distance(p, q, base) == math.sqrt(js_divergence(p, q, base))


@given(pairs)
def test_distances_are_symmetric_and_bounded(pair: tuple[list[float], list[float]]) -> None:
    p, q = pair
    assert js_divergence(p, q) == js_divergence(q, p)
    assert 0 <= js_divergence(p, q) <= math.log(2)
    assert 0 <= total_variation(p, q) == total_variation(q, p) <= 1
    assert js_divergence(p, p) == total_variation(p, p) == 0
    if total_variation(p, q) > 1e-6:
        # Pinsker: at least half the square of the variation
        assert js_divergence(p, q) >= total_variation(p, q) ** 2 / 2 * (1 - 1e-3) > 0


@given(
    st.integers(1, 6).flatmap(
        lambda size: st.tuples(*[st.lists(st.floats(0.01, 1), min_size=size, max_size=size)] * 3)
    )
)
def test_distance_obeys_the_triangle(three: tuple[list[float], list[float], list[float]]) -> None:
    p, q, r = map(normalised, three)
    assert js_distance(p, r) <= js_distance(p, q) + js_distance(q, r) + 1e-7


def test_shares_that_round_away_do_no_harm() -> None:
    assert js_divergence([5e-324, 1.0], [0.0, 1.0]) == 0
    assert js_divergence([1.0, 0.0], [5e-324, 1.0]) == pytest.approx(math.log(2), abs=1e-12)
    assert entropy([5e-324, 1.0]) == pytest.approx(0, abs=1e-300)


def test_total_variation_by_hand() -> None:
    assert total_variation([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]) == pytest.approx(1 / 4, abs=1e-12)
    assert total_variation([1, 0], [0, 1]) == 1


def test_entropy_by_hand() -> None:
    assert entropy([0.5, 0.25, 0.25]) == pytest.approx(1.5 * math.log(2), abs=1e-12)
    assert entropy([0.5, 0.25, 0.25], base=2) == pytest.approx(1.5, abs=1e-12)
    assert entropy([0, 1, 0]) == 0


@given(distributions)
def test_entropy_is_scipys(p: list[float]) -> None:
    assert entropy(p) == pytest.approx(scipy_entropy(p), abs=1e-12)
    assert 0 <= entropy(p) <= math.log(len(p)) + 1e-12


def test_most_likely_is_the_first_maximum() -> None:
    assert most_likely([0.2, 0.4, 0.4]) == 1
    assert most_likely(np.array([0.5, 0.5])) == 0
    for nothing in ([], [0.5, math.nan], [math.nan, 0.5]):
        with pytest.raises(InvalidInput, match="no most likely"):
            most_likely(nothing)


@given(distributions)
def test_most_likely_is_index_of_max(p: list[float]) -> None:
    assert most_likely(p) == p.index(max(p))


def test_nan_stays_nan() -> None:
    broken, sound = [math.nan, 0.5], [0.5, 0.5]
    for found in (
        js_divergence(broken, sound),
        js_distance(sound, broken),
        total_variation(broken, sound),
        total_variation(sound, broken),
        entropy(broken),
    ):
        assert math.isnan(found)


def test_rounded_tables_are_accepted_and_normalised() -> None:
    assert as_distribution([0.333, 0.333, 0.333], "line 1") == (1 / 3, 1 / 3, 1 / 3)
    assert as_distribution(np.array([0.25, 0.75]), "line 1") == (0.25, 0.75)
    assert js_distance([0.333, 0.333, 0.333], [1 / 3, 1 / 3, 1 / 3]) == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "no probabilities"),
        ([1.5, -0.5], "at least 0"),
        ([0.5, math.nan], "at least 0"),
        ([math.inf, 0.0], "at least 0"),
        ([0.0, 0.0], "sum to 1, got 0"),
        ([0.5, 0.502], "sum to 1, got 1.002"),
        ([50.0] * 9, r"50, …\]"),
    ],
)
def test_what_is_no_distribution_is_refused_by_name(values: list[float], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        as_distribution(values, "line 7: gold_distribution")
    assert caught.value.message.startswith("line 7: gold_distribution: ") and caught.value.hint


def test_metrics_refuse_it_too() -> None:
    with pytest.raises(InvalidInput, match="second distribution"):
        js_distance([0.5, 0.5], [0.9, 0.9])
    with pytest.raises(InvalidInput, match="first distribution"):
        total_variation([-1.0, 2.0], [0.5, 0.5])
    with pytest.raises(InvalidInput, match="entropy"):
        entropy([0.5])
    with pytest.raises(ValueError, match="3 options and q 2"):
        js_divergence([0.2, 0.3, 0.5], [0.5, 0.5])
    for base in (1.0, 0.5, -2.0, 0.0, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="base"):
            js_distance([0.5, 0.5], [0.5, 0.5], base)
        with pytest.raises(InvalidInput, match="base"):
            entropy([0.5, 0.5], base)
