"""d = Σ w_i d_i against sums of fractions, bounds against brute force."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from pluralism_local.modes.aggregate import aggregate, most_probable, single, unanimous
from pluralism_local.modes.orders import Weighed
from pluralism_local.types import DistributionMethod, OptionDistribution


def distribution(
    *mass: float,
    bounds: tuple[tuple[float, float], ...] | None = None,
    method: DistributionMethod = "exact",
) -> OptionDistribution:
    total = math.fsum(mass)
    return OptionDistribution(
        options=tuple("ABCDEFGH"[: len(mass)]),
        p=tuple(value / total for value in mass),
        mass=mass,
        unassigned_mass=1 - total,
        bounds=bounds or tuple((value, value) for value in mass),
        method=method,
    )


def in_orders(*distributions: OptionDistribution) -> Weighed:
    """Each in an order of its own, though all are over the options as asked; one for the asked order alone."""
    count = len(distributions[0].p)
    orders = [tuple((place + shift) % count for place in range(count)) for shift in range(len(distributions))]
    return Weighed(tuple(orders), distributions)


def test_by_hand() -> None:
    found = aggregate(
        ("Yes", "No", "Maybe"),
        [
            ("left", 0.5, in_orders(distribution(0.5, 0.25, 0.0))),
            ("center", 0.25, in_orders(distribution(0.125, 0.125, 0.25))),
            ("right", 0.25, in_orders(distribution(0.0625, 0.75, 0.1875))),
        ],
    )
    # left 2/3 1/3 0; center 1/4 1/4 1/2; right 1/16 3/4 3/16
    expected = [
        Fraction(1, 2) * Fraction(2, 3) + Fraction(1, 16) + Fraction(1, 64),
        Fraction(1, 2) * Fraction(1, 3) + Fraction(1, 16) + Fraction(3, 16),
        Fraction(1, 8) + Fraction(3, 64),
    ]
    assert sum(expected) == 1
    assert found.p == pytest.approx([float(value) for value in expected], abs=1e-15)
    assert found.per_community["left"] == pytest.approx([2 / 3, 1 / 3, 0])
    assert found.weights == {"left": 0.5, "center": 0.25, "right": 0.25}
    assert found.unassigned_mass == pytest.approx(0.5 * 0.25 + 0.25 * 0.5, abs=1e-15)
    assert found.entropy_nats == pytest.approx(entropy(found.p), abs=1e-12)
    assert found.method == "exact"
    assert found.bounds is None
    assert most_probable(found) == "No"


def test_all_agree_only_where_everybody_is_clear() -> None:
    def asked(*rows: tuple[float, float]) -> tuple[str, float] | None:
        return unanimous(
            aggregate(
                ("Yes", "No"),
                [
                    (f"voice {at}", 1 / len(rows), in_orders(distribution(*row)))
                    for at, row in enumerate(rows)
                ],
            )
        )

    agreed = asked((0.1, 0.9), (0.2, 0.8))
    assert agreed is not None and agreed[0] == "No" and agreed[1] == pytest.approx(0.8)
    assert asked((0.1, 0.9), (0.21, 0.79)) is None  # unsure
    assert asked((0.1, 0.9), (0.9, 0.1)) is None  # of two minds: even shares, and no agreement
    assert asked((0.0, 1.0)) is None  # one voice agrees with nobody


@pytest.mark.parametrize(
    ("methods", "weakest"),
    [
        (["exact", "exact"], "exact"),
        (["exact", "top_logprobs"], "top_logprobs"),
        (["uniform", "top_logprobs"], "uniform"),
    ],
)
def test_the_weakest_method_is_named(methods: list[DistributionMethod], weakest: str) -> None:
    parts = [(method, 0.5, in_orders(distribution(0.5, 0.5, method=method))) for method in methods]
    assert aggregate(("x", "y"), parts).method == weakest


def test_bounds_of_one_hidden_option() -> None:
    # B was not among the tokens shown: its mass lies between 0 and that of the last one shown, 0.1
    hidden = distribution(0.6, 0.05, bounds=((0.6, 0.6), (0.0, 0.1)), method="top_logprobs")
    found = single(("Yes", "No"), in_orders(hidden))
    assert found.bounds is not None
    assert found.bounds[0] == pytest.approx((0.6 / 0.7, 1.0))
    assert found.bounds[1] == pytest.approx((0.0, 0.1 / 0.7))
    mixed = aggregate(
        ("Yes", "No"), [("a", 0.25, in_orders(hidden)), ("b", 0.75, in_orders(distribution(0.5, 0.5)))]
    )
    assert mixed.bounds is not None
    assert mixed.bounds[0] == pytest.approx((0.25 * 0.6 / 0.7 + 0.375, 0.25 + 0.375))


unit = st.floats(0.001, 1)


@given(st.lists(st.tuples(unit, unit, st.floats(0, 1)), min_size=2, max_size=5))
def test_any_masses_within_bounds_give_shares_within_bounds(
    triples: list[tuple[float, float, float]],
) -> None:
    bounds = tuple((min(a, b), max(a, b)) for a, b, _ in triples)
    mass = [low + (high - low) * t for (low, high), (_, _, t) in zip(bounds, triples, strict=True)]
    found = single(tuple("vwxyz"[: len(mass)]), in_orders(distribution(*mass, bounds=bounds)))
    for share, (low, high) in zip(found.p, found.bounds or [(p, p) for p in found.p], strict=True):
        assert low - 1e-12 <= share <= high + 1e-12


@given(st.lists(st.lists(unit, min_size=3, max_size=3), min_size=1, max_size=6))
def test_a_mixture_is_a_distribution_between_its_parts(rows: list[list[float]]) -> None:
    scaled = [[value / 3 for value in row] for row in rows]
    parts = [(str(number), 1 / len(rows), in_orders(distribution(*row))) for number, row in enumerate(scaled)]
    found = aggregate(("x", "y", "z"), parts)
    assert math.fsum(found.p) == pytest.approx(1, abs=1e-12)
    assert 0 <= found.unassigned_mass <= 1
    for column, value in enumerate(found.p):
        shares = [row[column] for row in found.per_community.values()]
        assert min(shares) - 1e-12 <= value <= max(shares) + 1e-12
