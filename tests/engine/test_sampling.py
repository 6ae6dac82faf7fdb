"""The sampler against brute force and against its own definition."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pluralism_local.engine.sampling import Sampler, Weights
from pluralism_local.errors import EngineFailure
from pluralism_local.types import Sampling

Logits = npt.NDArray[np.float32]

logit_lists = st.lists(st.floats(-30, 30, width=32), min_size=2, max_size=60)


def nucleus(logits: Logits, temperature: float, top_p: float) -> set[int]:
    """The smallest set with at least top_p of the mass, by sorting everything; ties by token id."""
    scaled = logits.astype(np.float64) / temperature
    p = np.exp(scaled - scaled.max())
    p /= p.sum()
    order = sorted(range(len(p)), key=lambda token: (-p[token], token))
    chosen: set[int] = set()
    mass = 0.0
    for token in order:
        chosen.add(token)
        mass += p[token]
        if mass >= top_p:
            break
    return chosen


@given(logit_lists)
def test_greedy_is_the_first_largest(values: list[float]) -> None:
    logits = np.array(values, dtype=np.float32)
    assert Sampler(Sampling()).draw(logits) == values.index(max(values))


@given(logit_lists, st.floats(0.2, 3), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
def test_draws_stay_in_the_nucleus(values: list[float], temperature: float, top_p: float, seed: int) -> None:
    logits = np.array(values, dtype=np.float32)
    sampler = Sampler(Sampling(temperature, top_p, seed=seed))
    # float32 weights may put one token more into the set than exact arithmetic does, and cannot tell neighbours apart
    inside = nucleus(logits, temperature, min(1.0, top_p + 1e-4))
    least = min(values[token] for token in inside)
    allowed = {token for token, value in enumerate(values) if value >= least - 1e-5 * temperature}
    assert {sampler.draw(logits) for _ in range(20)} <= allowed


@pytest.mark.parametrize("spread", [0.01, 2.0, 8.0])
def test_frequencies_match_the_truncated_distribution(spread: float) -> None:
    """Flat, usual and peaked logits: each uses another threshold."""
    rng = np.random.default_rng(3)
    logits = (rng.standard_normal(50) * spread).astype(np.float32)
    sampler = Sampler(Sampling(1.0, 0.9, seed=1))
    draws = 20_000
    counts = Counter(sampler.draw(logits) for _ in range(draws))
    chosen = sorted(nucleus(logits, 1.0, 0.9))
    p = np.exp(logits[chosen].astype(np.float64))
    p /= p.sum()
    assert set(counts) <= set(chosen)
    for token, expected in zip(chosen, p, strict=True):
        assert counts[token] / draws == pytest.approx(expected, abs=4 * np.sqrt(expected / draws) + 1e-3)


def test_without_top_p_every_token_can_come() -> None:
    sampler = Sampler(Sampling(1.0, 1.0, seed=5))
    assert {sampler.draw(np.zeros(8, dtype=np.float32)) for _ in range(300)} == set(range(8))


def test_the_seed_decides() -> None:
    logits = np.zeros(1000, dtype=np.float32)

    def first(seed: int) -> list[int | None]:
        sampler = Sampler(Sampling(1.0, 0.9, seed=seed))
        return [sampler.draw(logits) for _ in range(5)]

    assert first(1) == first(1)
    assert first(1) != first(2)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_banned_tokens_never_come_and_the_logits_stay(temperature: float) -> None:
    logits = np.array([5.0, 4.0, 1.0], dtype=np.float32)
    sampler = Sampler(Sampling(temperature, 0.9), banned=[0, 1])
    assert {sampler.draw(logits) for _ in range(50)} == {2}
    assert logits.tolist() == [5.0, 4.0, 1.0]


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_no_usable_logits(value: float) -> None:
    with pytest.raises(EngineFailure, match="usable"):
        Sampler(Sampling(1.0, 0.9)).draw(np.full(4, value, dtype=np.float32))


def by_sorting(logits: Logits, sampling: Sampling, point: float) -> int:
    """The token that a draw at `point` of a whole sorted vocabulary gives."""
    weights = np.exp((logits - logits.max()) / np.float32(sampling.temperature))
    if sampling.top_p == 1:
        order, cumulative = np.arange(weights.size), np.cumsum(weights, dtype=np.float64)
    else:
        order = np.argsort(-weights, kind="stable")
        cumulative = np.cumsum(weights[order], dtype=np.float64)
        enough = sampling.top_p * float(weights.sum(dtype=np.float64))
        cumulative = cumulative[: int(np.searchsorted(cumulative, enough)) + 1]
    return int(order[int(np.searchsorted(cumulative, point * cumulative[-1], side="right"))])


@pytest.mark.parametrize("size", [7, 512, 1300, 50_000])
@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0, 8.0])
@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 0.9), (1.5, 0.99), (0.7, 0.5), (1.0, 1.0)])
def test_draws_are_those_of_a_whole_sorted_vocabulary(
    size: int, spread: float, temperature: float, top_p: float
) -> None:
    """Of equal ones in the order of the tokens: with rounded logits most are."""
    logits = np.random.default_rng(size).standard_normal(size).astype(np.float32) * np.float32(spread)
    for rounded in (logits, np.round(logits)):
        sampling = Sampling(temperature, top_p, seed=3)
        sampler, rng = Sampler(sampling), np.random.Generator(np.random.PCG64(3))
        for _ in range(40):
            assert sampler.draw(rounded) == by_sorting(rounded, sampling, rng.random())


class Some:
    """Rules that allow some tokens; counts what is asked of them."""

    def __init__(self, *allowed: int) -> None:
        self.allowed, self.accepted, self.asked, self.masks = set(allowed), list[int](), 0, 0

    def allows(self, token: int) -> bool:
        self.asked += 1
        return token in self.allowed

    def masked(self, logits: Weights) -> Weights:
        self.masks += 1
        masked = np.full_like(logits, -np.inf)
        masked[list(self.allowed)] = logits[list(self.allowed)]
        return masked

    def accept(self, token: int) -> None:
        self.accepted.append(token)


def test_rules_take_the_most_probable_allowed_token_when_greedy() -> None:
    logits = np.arange(100, dtype=np.float32)
    for allowed, masks in ((99, 0), (95, 0), (3, 1)):
        rules = Some(allowed, 0)
        assert Sampler(Sampling(), rules=rules).draw(logits) == allowed
        assert (rules.accepted, rules.masks) == ([allowed], masks)
    assert logits.tolist() == list(range(100))


@pytest.mark.parametrize("allowed", [(0, 4), (5, 6, 9), (1,), (18, 19)])
def test_refused_draws_leave_the_distribution_among_the_allowed(allowed: tuple[int, ...]) -> None:
    logits = np.random.default_rng(3).normal(0, 1.5, 20).astype(np.float32)
    rules = Some(*allowed)
    sampler = Sampler(Sampling(temperature=1.0, seed=7), rules=rules)
    counts = Counter(sampler.draw(logits) for _ in range(4000))
    assert set(counts) == set(allowed)
    p = np.exp(logits[list(allowed)].astype(np.float64))
    expected = p / p.sum() * 4000
    if len(allowed) > 1:
        assert chisquare([counts[token] for token in allowed], expected).pvalue > 1e-3


def test_an_allowed_draw_is_the_one_without_rules() -> None:
    logits = np.random.default_rng(3).normal(0, 1.5, 20).astype(np.float32)
    free, bound = (
        Sampler(Sampling(1.0, 0.9, seed=5)),
        Sampler(Sampling(1.0, 0.9, seed=5), rules=Some(*range(20))),
    )
    assert [free.draw(logits) for _ in range(50)] == [bound.draw(logits) for _ in range(50)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_where_nothing_is_allowed_nothing_comes(temperature: float) -> None:
    rules = Some()
    rules.masked = lambda logits: np.full_like(logits, -np.inf)  # type: ignore[method-assign]
    assert Sampler(Sampling(temperature), rules=rules).draw(np.zeros(30, dtype=np.float32)) is None
    assert rules.accepted == []
