"""Option masses against brute force: every text a toy model can say, and which option each begins with."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scoring import (
    Path,
    disjoint,
    exact_distribution,
    extends,
    masses,
    prefixes_to_decode,
)
from pluralism_local.errors import EngineFailure

VOCABULARY = range(3)
DEPTH = 4

paths = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=DEPTH).map(tuple)
path_families = st.lists(st.lists(paths, max_size=4), min_size=2, max_size=4)


@dataclass(frozen=True)
class ToyModel:
    """A next-token distribution of exact fractions after every text; some tokens are impossible."""

    seed: int

    def conditional(self, text: Path, token: int) -> Fraction:
        rng = random.Random(f"{self.seed} {text}")
        weights = [rng.choice((0, 1, 2, 7, 100)) for _ in VOCABULARY]
        if not any(weights):
            weights[0] = 1
        return Fraction(weights[token], sum(weights))

    def joint(self, path: Path) -> Fraction:
        return math.prod(
            (self.conditional(path[:i], token) for i, token in enumerate(path)), start=Fraction(1)
        )

    def log_p(self, options: Sequence[Sequence[Path]]) -> dict[Path, float]:
        probabilities = {path: self.joint(path) for paths_ in options for path in paths_}
        return {path: math.log(p) if p else -math.inf for path, p in probabilities.items()}


def brute_force(model: ToyModel, options: Sequence[Sequence[Path]]) -> list[Fraction]:
    """Each text of DEPTH tokens counts for the option with the longest path that the text begins with."""
    found = [Fraction(0)] * len(options)
    for text in itertools.product(VOCABULARY, repeat=DEPTH):
        begun = [(len(p), -i) for i, option in enumerate(options) for p in option if text[: len(p)] == p]
        if begun:
            found[-max(begun)[1]] += model.joint(text)
    return found


@given(path_families, st.integers(0, 2**20))
def test_masses_equal_the_sum_over_all_texts(options: list[list[Path]], seed: int) -> None:
    model = ToyModel(seed)
    found = masses(options, model.log_p(options))
    assert found == pytest.approx([float(mass) for mass in brute_force(model, options)], abs=1e-12)
    assert all(0 <= mass <= 1 for mass in found)
    assert sum(found) <= 1 + 1e-12


def log_of(**probabilities: Fraction) -> dict[Path, float]:
    """`_12=1/3` is log_p[(1, 2)] = ln(1/3)."""
    return {tuple(int(d) for d in name[1:]): math.log(p) for name, p in probabilities.items()}


def test_a_longer_option_takes_its_mass_off_the_shorter() -> None:
    # "1" with 1/2, then "0" with 1/4 after it
    found = masses([[(1,)], [(1, 0)]], log_of(_1=Fraction(1, 2), _10=Fraction(1, 8)))
    assert found == pytest.approx([3 / 8, 1 / 8], abs=1e-15)


def test_of_three_nested_options_each_gives_only_to_the_next() -> None:
    log_p = log_of(_1=Fraction(1, 2), _10=Fraction(1, 8), _100=Fraction(1, 16))
    assert masses([[(1, 0, 0)], [(1,)], [(1, 0)]], log_p) == pytest.approx([1 / 16, 3 / 8, 1 / 16], abs=1e-15)


def test_every_spelling_adds_and_each_gives_to_its_own_extension() -> None:
    # "1" as (1,) and (2,), "10" as (1, 0) and (2, 0)
    log_p = log_of(_1=Fraction(1, 4), _2=Fraction(1, 2), _10=Fraction(1, 8), _20=Fraction(1, 16))
    found = masses([[(1,), (2,)], [(1, 0), (2, 0)]], log_p)
    assert found == pytest.approx([9 / 16, 3 / 16], abs=1e-15)


def test_a_path_of_two_options_counts_for_the_first() -> None:
    assert masses([[(1,)], [(1,)]], log_of(_1=Fraction(1, 2))) == pytest.approx([1 / 2, 0], abs=1e-15)


def test_an_impossible_option_has_no_mass() -> None:
    assert masses([[(1,)], [(2,)]], {(1,): 0.0, (2,): -math.inf}) == (1.0, 0.0)


def test_rounding_never_leaves_the_unit_interval() -> None:
    # the conditional of the only extension is 1; rounding may say a little more
    found = masses([[(1,)], [(1, 0)]], {(1,): -1e-17, (1, 0): 1e-15})
    assert found == (0.0, 1.0)


def test_nan_is_a_failure_and_not_an_even_distribution() -> None:
    with pytest.raises(EngineFailure, match="NaN"):
        masses([[(1,)], [(2,)]], {(1,): math.nan, (2,): -1.0})


# --- paths ---


@given(st.lists(st.lists(st.sampled_from(VOCABULARY), max_size=DEPTH).map(tuple), max_size=8))
def test_disjoint_paths_begin_the_same_texts_once(given_: list[Path]) -> None:
    found = disjoint(given_)
    assert all(path in given_ and path for path in found)
    for text in itertools.product(VOCABULARY, repeat=DEPTH):
        begun = [path for path in found if text[: len(path)] == path]
        wanted = any(path and text[: len(path)] == path for path in given_)
        assert len(begun) == wanted


def test_disjoint_keeps_the_given_order() -> None:
    assert disjoint([(2, 1), (0,), (2, 1), (), (1,), (0, 1)]) == ((2, 1), (0,), (1,))


@given(paths, paths)
def test_extends_is_a_strict_order(left: Path, right: Path) -> None:
    assert extends(left, right) == (left != right and left[: len(right)] == right)
    assert not (extends(left, right) and extends(right, left))


@given(path_families)
def test_decoded_prefixes_give_every_conditional_and_nothing_else(options: list[list[Path]]) -> None:
    heads = prefixes_to_decode(options)
    needed = {path[:i] for option in options for path in option for i in range(1, len(path))}
    assert {head[: i + 1] for head in heads for i in range(len(head))} == needed
    assert not any(extends(left, right) for left in heads for right in heads)
    assert heads == tuple(sorted(set(heads)))


def test_single_tokens_need_nothing_but_the_prompt() -> None:
    assert prefixes_to_decode([[(1,), (2,)], [(0,)]]) == ()
    assert prefixes_to_decode([[(1, 2, 0), (1, 2)], [(2, 0)]]) == ((1, 2), (2,))


# --- distributions ---


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(lambda mass: 0 < sum(mass) <= 1))
def test_a_distribution_normalises_the_masses_and_keeps_them(mass: list[float]) -> None:
    options = [f"option {i}" for i in range(len(mass))]
    found = exact_distribution(options, mass)
    assert found.options == tuple(options)
    assert found.mass == tuple(mass)
    assert math.fsum(found.p) == pytest.approx(1, abs=1e-12)
    assert found.unassigned_mass == pytest.approx(1 - math.fsum(mass), abs=1e-12)
    assert found.bounds == tuple((m, m) for m in mass)
    assert found.method == "exact"


def test_a_distribution_by_hand() -> None:
    found = exact_distribution(("yes", "no"), (3 / 8, 1 / 8))
    assert found.p == (3 / 4, 1 / 4)
    assert found.unassigned_mass == 1 / 2


def test_without_any_mass_the_distribution_is_even_and_says_so() -> None:
    found = exact_distribution(("a", "b", "c"), (0.0, 0.0, 0.0))
    assert found.p == (1 / 3, 1 / 3, 1 / 3)
    assert (found.method, found.unassigned_mass) == ("uniform", 1.0)


def test_rounding_above_one_leaves_nothing_unassigned() -> None:
    assert exact_distribution(("a", "b"), (0.75, 0.25 + 1e-15)).unassigned_mass == 0
