"""Shares and the intervals of those that were counted, against scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pluralism_local.proportions import entropy_nats, interval, total_variation, weighted

trials = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(trials)
def test_the_interval_is_wilsons(pair: tuple[int, int]) -> None:
    ours, theirs = interval(*pair), binomtest(*pair).proportion_ci(method="wilson")
    assert ours == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(trials)
def test_one_stratum_is_itself(pair: tuple[int, int]) -> None:
    count, n = pair
    assert weighted([count], [n], [1.0]) == pytest.approx((count / n, *interval(count, n)), abs=1e-12)


def test_two_strata_by_hand() -> None:
    (low_a, high_a), (low_b, high_b) = interval(3, 4), interval(0, 4)
    p, low, high = weighted([3, 0], [4, 4], [0.5, 0.5])
    assert p == 0.375
    assert low == pytest.approx(0.375 - 0.5 * math.hypot(0.75 - low_a, 0.0 - low_b))
    assert high == pytest.approx(0.375 + 0.5 * math.hypot(high_a - 0.75, high_b))


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    truth, n, weights = np.array([0.9, 0.3, 0.05]), 8, [0.5, 0.25, 0.25]
    drawn = rng.binomial(n, truth, size=(2000, 3))
    mean = float(np.dot(weights, truth))
    hits = [
        low <= mean <= high for _, low, high in (weighted(row.tolist(), [n] * 3, weights) for row in drawn)
    ]
    assert 0.93 < np.mean(hits) < 0.995


def test_entropy_at_its_ends() -> None:
    assert entropy_nats([1, 0, 0]) == 0
    assert entropy_nats([0.25] * 4) == pytest.approx(math.log(4), abs=1e-15)
    assert math.isnan(entropy_nats([math.nan, 0.5]))


def test_total_variation_at_its_ends() -> None:
    assert total_variation([0.2, 0.8], [0.2, 0.8]) == 0
    assert total_variation([1, 0, 0], [0, 0.5, 0.5]) == 1
    assert total_variation([0.5, 0.25, 0.25], [0.25, 0.25, 0.5]) == 0.25
    assert math.isnan(total_variation([math.nan, 0.5], [0.5, 0.5]))
