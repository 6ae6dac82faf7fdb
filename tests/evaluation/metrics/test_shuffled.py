"""The control: what it keeps, what it destroys, and that nothing depends on order."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.evaluation.metrics import derangement, entropy, permuted

names = st.lists(st.text(max_size=5), unique=True, max_size=20)


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 99), st.text())
def test_the_values_are_kept(p: list[float], seed: int, key: str) -> None:
    found = permuted(p, seed, key)
    assert sorted(found) == sorted(p)
    assert found == permuted(p, seed, key)


def test_entropy_is_kept() -> None:
    p = [0.5, 0.25, 0.125, 0.125]
    assert entropy(permuted(p, 0, "q")) == entropy(p)
    assert Counter(map(math.isnan, permuted([math.nan, 1.0], 0, "q"))) == {True: 1, False: 1}


def test_every_permutation_is_equally_likely() -> None:
    found = Counter(permuted([0.2, 0.3, 0.5], 0, f"question {index}") for index in range(6000))
    assert len(found) == 6
    # 1000 each, standard deviation 29
    assert all(abs(count - 1000) < 120 for count in found.values()), found


def test_seed_and_key_both_count() -> None:
    p = [float(index) for index in range(20)]
    found = {permuted(p, seed, key) for seed in range(5) for key in ("q", "r", "1\nq", "q ")}
    assert len(found) == 20


def test_the_stream_is_the_same_everywhere() -> None:
    # a changed figure would silently change every published control
    assert permuted([0.1, 0.2, 0.3, 0.4], 0, "q") == (0.4, 0.3, 0.2, 0.1)
    assert derangement(["a", "b", "c", "d"], 0) == {"a": "d", "b": "c", "c": "a", "d": "b"}


@given(names, st.integers(0, 99), st.randoms(use_true_random=False))
def test_nobody_keeps_their_own(keys: list[str], seed: int, chance: random.Random) -> None:
    found = derangement(keys, seed)
    assert sorted(found) == sorted(found.values()) == sorted(keys)
    if len(keys) > 1:
        assert all(key != other for key, other in found.items())
    mixed = list(keys)
    chance.shuffle(mixed)
    assert derangement(mixed, seed) == found


def test_one_has_no_other() -> None:
    assert derangement(["q"], 0) == {"q": "q"}
    assert derangement([], 0) == {}


def test_other_seeds_give_other_mappings() -> None:
    keys = [str(index) for index in range(12)]
    assert len({tuple(derangement(keys, seed).values()) for seed in range(10)}) == 10


def test_a_key_twice_is_a_bug() -> None:
    with pytest.raises(ValueError, match="twice"):
        derangement(["q", "q"], 0)
