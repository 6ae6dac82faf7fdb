"""From probabilities to sides: by hand, and what must not matter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.modes.leanings.sides import CLEAR, MARGIN, log_odds, sides, taken
from pluralism_local.types import OptionDistribution, Side

LEANINGS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e", "f"]), st.integers(-60, 60).map(lambda n: n / 100), min_size=2
)


def weighed(p: float) -> OptionDistribution:
    return OptionDistribution(("Yes", "No"), (p, 1 - p), (p, 1 - p), 0.0, ((p, p), (1 - p, 1 - p)), "exact")


def test_by_hand() -> None:
    """Mean 0.1: one is within the margin of it, one above and one below."""
    assert sides({"left": 0.5, "center": 0.12, "right": -0.32}) == {"left": "yes", "right": "no"}


@pytest.mark.parametrize("leanings", [{}, {"a": 0.4}, {"a": 0.3, "b": 0.3}, {"a": 0.02, "b": -0.02}])
def test_where_nobody_differs_nobody_takes_a_side(leanings: dict[str, float]) -> None:
    assert sides(leanings) == {}


@pytest.mark.parametrize("sign", [1, -1])
def test_what_all_answer_alike_has_no_sides(sign: int) -> None:
    assert sides({"a": sign * (CLEAR + 0.5), "b": sign * (CLEAR - 0.4)}) == {}
    assert sides({"a": sign * (CLEAR + 0.3), "b": sign * (CLEAR - 0.4)}) != {}


@given(LEANINGS)
def test_sides_are_symmetric_and_never_one_alone(leanings: dict[str, float]) -> None:
    taken = sides(leanings)
    mirrored = sides({voice: -leaning for voice, leaning in leanings.items()})
    opposite = {"yes": "no", "no": "yes"}
    assert mirrored == {voice: opposite[side] for voice, side in taken.items()}
    if max(leanings.values()) - min(leanings.values()) > len(leanings) * MARGIN:
        assert set(taken.values()) & {"yes", "no"}


@given(LEANINGS)
def test_nobody_on_the_side_of_yes_leans_less_to_it_than_anybody_on_the_other(
    leanings: dict[str, float],
) -> None:
    taken = sides(leanings)
    yes = [leanings[voice] for voice, side in taken.items() if side == "yes"]
    no = [leanings[voice] for voice, side in taken.items() if side == "no"]
    assert not yes or not no or min(yes) > max(no)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((0.5,), 0.0), ((0.8, 0.2), 0.0), ((0.8,), math.log(4)), ((0.75, 0.5), math.log(3) / 2)],
)
def test_log_odds_are_the_mean_over_orders(shares: tuple[float, ...], expected: float) -> None:
    assert log_odds([weighed(p) for p in shares]) == pytest.approx(expected)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_probability_of_zero_is_finite(p: float) -> None:
    assert math.isfinite(log_odds([weighed(p)]))


@pytest.mark.parametrize(
    ("side", "text", "left"),
    [
        ("no", "Yes.", None),
        ("no", "yes, because it is right", None),
        ("yes", '"No" is what I say.', None),
        ("yes", "  No!", None),
        ("no", "No. It is wrong.", "no"),
        ("yes", "Yes, but not now.", "yes"),
        ("no", "Nobody wants that.", "no"),
        ("yes", "Yesterday was better.", "yes"),
        ("no", "It should not be.", "no"),
        ("no", "", "no"),
        ("yes", "…", "yes"),
        (None, "No.", None),
        (None, "Yes.", None),
    ],
)
def test_a_comment_that_begins_with_the_other_answer_has_no_side(
    side: Side | None, text: str, left: Side | None
) -> None:
    assert taken(side, text) == left
