"""The cluster bootstrap: by hand where few draws are possible, against scipy and against theory elsewhere."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.metrics import Estimate, difference, estimate, macro_f1, mean

Positions = npt.NDArray[np.int64]

samples = st.lists(st.tuples(st.floats(-100, 100), st.sampled_from("abcdef")), min_size=1, max_size=25)


def columns(pairs: list[tuple[float, str]]) -> tuple[list[float], list[str]]:
    return [value for value, _ in pairs], [group for _, group in pairs]


def average_of(values: list[float]) -> Callable[[Positions], float]:
    array = np.array(values)
    return lambda positions: float(array[positions].mean())


def test_clusters_are_drawn_not_samples() -> None:
    # two questions with sums 2 of 2 and 0 of 3: a resample's mean is 0, 2/5 or 1
    found = mean([1, 1, 0, 0, 0], ["q", "q", "r", "r", "r"])
    assert found == Estimate(value=2 / 5, low=0.0, high=1.0, n=5, clusters=2)
    inner = mean([1, 1, 0, 0, 0], ["q", "q", "r", "r", "r"], resamples=1, seed=3)
    assert inner.low == inner.high and inner.low in (0.0, 2 / 5, 1.0)


def test_every_draw_has_its_chance() -> None:
    # questions of 1, 0, 0: how often the first is drawn in three draws is binomial with 1/3
    seen = [mean([1, 0, 0], ["q", "r", "s"], resamples=1, seed=seed).low for seed in range(2000)]
    for value, chance in ((0, 8 / 27), (1 / 3, 12 / 27), (2 / 3, 6 / 27), (1, 1 / 27)):
        share = sum(low == pytest.approx(value) for low in seen) / len(seen)
        assert share == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / len(seen)))


@given(samples, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_mean_draws_what_estimate_draws(pairs: list[tuple[float, str]], seed: int) -> None:
    values, groups = columns(pairs)
    fast = mean(values, groups, resamples=50, seed=seed)
    slow = estimate(average_of(values), groups, resamples=50, seed=seed)
    assert (fast.n, fast.clusters) == (slow.n, slow.clusters) == (len(values), len(set(groups)))
    assert (fast.low is None) == (slow.low is None) == (len(set(groups)) < 2)
    for left, right in ((fast.value, slow.value), (fast.low, slow.low), (fast.high, slow.high)):
        assert left == pytest.approx(right, abs=1e-9)


def test_estimate_sees_whole_clusters() -> None:
    groups = ["b", "a", "b", "c", "a", "b"]
    drawn: list[list[int]] = []

    def look(positions: Positions) -> float:
        assert positions.dtype == np.int64
        drawn.append(positions.tolist())
        return float(len(positions))

    estimate(look, groups, resamples=30)
    assert drawn[0] == [1, 4, 0, 2, 5, 3]  # everything, sorted by cluster
    blocks = {"a": [1, 4], "b": [0, 2, 5], "c": [3]}
    for positions in drawn[1:]:
        names, rest = [], positions
        while rest:
            name = groups[rest[0]]
            assert rest[: len(blocks[name])] == blocks[name]
            names.append(name)
            rest = rest[len(blocks[name]) :]
        assert len(names) == 3
    assert len({tuple(positions) for positions in drawn[1:]}) > 5


@given(samples, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_samples_changes_nothing(pairs: list[tuple[float, str]], chance: random.Random) -> None:
    mixed = list(pairs)
    chance.shuffle(mixed)
    assert mean(*columns(pairs), resamples=50) == mean(*columns(mixed), resamples=50)


def test_the_order_of_samples_changes_no_statistic() -> None:
    gold, said, groups = list("AABBCABCAB"), list("ABBBCACCAA"), list("zyxzyxwwvv")
    order = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5]

    def scored(indices: list[int]) -> Estimate:
        def statistic(positions: Positions) -> float:
            rows = [indices[position] for position in positions]
            return macro_f1([gold[row] for row in rows], [said[row] for row in rows])

        return estimate(statistic, [groups[row] for row in indices], resamples=100)

    assert scored(order) == scored(list(range(10)))


@given(samples)
@settings(max_examples=30, deadline=None)
def test_the_seed_decides(pairs: list[tuple[float, str]]) -> None:
    values, groups = columns(pairs)
    assert mean(values, groups, seed=1, resamples=40) == mean(values, groups, seed=1, resamples=40)


def test_another_seed_gives_another_interval() -> None:
    values, groups = [float(i * i) for i in range(30)], [str(i) for i in range(30)]
    assert mean(values, groups, seed=1) != mean(values, groups, seed=2)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_symmetric_data_lie_within_their_interval(offsets: list[float], center: float) -> None:
    values = [center + offset for offset in offsets] + [center - offset for offset in offsets]
    found = mean(values, [str(index) for index in range(len(values))], resamples=200)
    assert found.low is not None and found.high is not None
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_single_samples_give_scipys_and_the_normal_interval() -> None:
    values = np.random.default_rng(5).normal(2.0, 3.0, 400)
    found = mean(values, [f"{index:03}" for index in range(400)], resamples=4000)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    )
    half = norm.ppf(0.975) * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(theirs.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(theirs.confidence_interval.high, abs=0.03)
    assert found.low == pytest.approx(found.value - half, abs=0.03)
    assert found.high == pytest.approx(found.value + half, abs=0.03)


def test_copies_of_a_sample_are_no_new_evidence() -> None:
    values = np.random.default_rng(6).normal(0, 1, 50)
    names = [str(index) for index in range(50)]
    once, often = mean(values, names), mean(np.repeat(values, 4), [name for name in names for _ in range(4)])
    assert (often.n, often.clusters) == (200, 50)
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-12)


def test_a_paired_difference_sees_through_what_both_share() -> None:
    hard = [float(index) for index in range(40)]  # questions differ a lot, the methods by 1/2 on each
    easier = [value + 0.5 for value in hard]
    names = [str(index) for index in range(40)]
    found = difference(easier, hard, names)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    alone = mean(easier, names)
    assert alone.low is not None and alone.low < mean(hard, names).value
    assert difference(hard, easier, names).value == -0.5


@given(samples)
@settings(max_examples=30, deadline=None)
def test_the_difference_of_means_is_difference(pairs: list[tuple[float, str]]) -> None:
    a, groups = columns(pairs)
    b = [value / 2 - 1 for value in a]
    mean_a, mean_b = average_of(a), average_of(b)
    general = estimate(lambda places: mean_a(places) - mean_b(places), groups, resamples=40, seed=2)
    fast = difference(a, b, groups, resamples=40, seed=2)
    for left, right in ((fast.value, general.value), (fast.low, general.low), (fast.high, general.high)):
        assert left == pytest.approx(right, abs=1e-9)


def test_the_difference_of_figures_that_are_no_means() -> None:
    gold, groups = list("ABAB"), list("qrst")

    def f1(said: str) -> Callable[[Positions], float]:
        return lambda positions: macro_f1([gold[p] for p in positions], [said[p] for p in positions])

    right, constant = f1("ABAB"), f1("AAAA")
    found = estimate(lambda places: right(places) - constant(places), groups)
    assert found.value == pytest.approx(1 - (2 * 2 / (2 + 4)) / 2, abs=1e-12)
    assert found.low is not None and found.low >= 0


def test_one_cluster_has_no_interval() -> None:
    assert mean([1, 2], ["q", "q"]) == Estimate(1.5, None, None, 2, 1)
    assert estimate(lambda positions: 7.0, ["q", "q"]) == Estimate(7.0, None, None, 2, 1)


def test_nothing_is_nan() -> None:
    for found in (mean([], []), difference([], [], []), estimate(lambda positions: 1 / 0, [])):
        assert math.isnan(found.value)
        assert (found.low, found.high, found.n, found.clusters) == (None, None, 0, 0)


def test_nan_stays_nan_until_the_record() -> None:
    found = mean([1.0, math.nan, 2.0], ["q", "r", "s"])
    assert math.isnan(found.value) and (found.low, found.high) == (None, None)
    assert found.record() == {"value": None, "low": None, "high": None}
    assert math.isnan(difference([1.0, 2.0], [math.nan, 1.0], ["q", "r"]).value)
    assert mean([1, 1, 0, 0, 0], list("qqrrr")).record() == {"value": 2 / 5, "low": 0.0, "high": 1.0}


def test_resamples_without_a_figure_are_left_out() -> None:
    def of_q_only(positions: Positions) -> float:  # NaN where r alone was drawn
        return 1.0 if 0 in positions else math.nan

    assert estimate(of_q_only, ["q", "r"]) == Estimate(1.0, 1.0, 1.0, 2, 2)
    calls = iter([1.0])
    only_once = estimate(lambda positions: next(calls, math.nan), ["q", "r"])
    assert only_once == Estimate(1.0, None, None, 2, 2)


def test_what_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least 1, got 0"):
        mean([1, 2], ["q", "r"], resamples=0)
    with pytest.raises(InvalidInput, match="seed"):
        estimate(lambda positions: 0.0, ["q", "r"], seed=-1)
    with pytest.raises(ValueError, match="2 values in 1 groups"):
        mean([1, 2], ["q"])
    with pytest.raises(ValueError, match="zip"):
        difference([1, 2], [1], ["q", "r"])
