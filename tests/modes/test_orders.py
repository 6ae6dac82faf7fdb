"""Options at other places: orders, averages by hand, and models that go by places alone or by options alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.mode_specs import ModeName, Orders
from pluralism_local.modes import Ask
from pluralism_local.modes.aggregate import aggregate, is_led_by_places, single
from pluralism_local.modes.options import letters, pose, read
from pluralism_local.modes.orders import (
    MOST_ORDERS,
    Order,
    Weighed,
    in_asked_order,
    orders_of,
)
from pluralism_local.modes.relisting import orders_in, relettered, relisted
from pluralism_local.proportions import total_variation
from pluralism_local.types import DistributionMethod, OptionDistribution
from tests.modes.test_options import line, phrase
from tests.support.mode_asks import THREE, answer, pool, script

CITIES = ("Paris", "London", "Rome")
GRADED = ("Very good", "Somewhat good", "Somewhat bad", "Very bad")
RULES: tuple[Orders, ...] = ("rotate", "reverse", "asked")

shares = st.lists(st.floats(0.01, 1), min_size=2, max_size=MOST_ORDERS)


def distribution(
    p: Sequence[float], outside: float = 0.0, method: DistributionMethod = "exact"
) -> OptionDistribution:
    """Of places or options by these odds."""
    total = math.fsum(p)
    mass = tuple(value / total * (1 - outside) for value in p)
    return OptionDistribution(
        letters(len(p)),
        tuple(value / total for value in p),
        mass,
        outside,
        tuple((value, value) for value in mass),
        method,
    )


def weighed(orders: tuple[Order, ...], of_order: Callable[[Order], OptionDistribution]) -> Weighed:
    """What a model gives that sees the options in an order, brought back to the order as asked."""
    return Weighed(orders, tuple(in_asked_order(of_order(order), order) for order in orders))


@pytest.mark.parametrize("rule", RULES)
@given(st.lists(phrase, min_size=2, max_size=26, unique=True))
def test_orders_are_different_permutations_and_the_first_is_the_asked(
    rule: Orders, options: list[str]
) -> None:
    orders = orders_of(options, rule)
    assert orders[0] == tuple(range(len(options)))
    assert len(set(orders)) == len(orders) <= MOST_ORDERS
    assert all(sorted(order) == list(range(len(options))) for order in orders)


@given(st.integers(2, MOST_ORDERS))
def test_a_rotation_puts_each_option_at_each_place_once(count: int) -> None:
    orders = orders_of([f"Item {letter}" for letter in letters(count)], "rotate")
    assert len(orders) == count
    assert all(len({order[place] for order in orders}) == count for place in range(count))


def test_of_many_options_eight_shifts_at_even_distances_are_taken() -> None:
    orders = orders_of([f"Item {letter}" for letter in letters(26)], "rotate")
    assert [order[0] for order in orders] == [0, 3, 6, 9, 13, 16, 19, 22]


@pytest.mark.parametrize(
    ("options", "rule", "orders"),
    [
        (("Yes", "No"), "rotate", ((0, 1), (1, 0))),
        (CITIES, "rotate", ((0, 1, 2), (1, 2, 0), (2, 0, 1))),
        (CITIES, "reverse", ((0, 1, 2), (2, 1, 0))),
        (CITIES, "asked", ((0, 1, 2),)),
        (GRADED, "rotate", ((0, 1, 2, 3), (3, 2, 1, 0))),
        ((*CITIES, "None of the above"), "rotate", ((0, 1, 2, 3), (1, 2, 0, 3), (2, 0, 1, 3))),
        ((*GRADED, "None of the above"), "rotate", ((0, 1, 2, 3, 4), (3, 2, 1, 0, 4))),
        (("Only one",), "rotate", ((0,),)),
    ],
)
def test_which_orders_are_asked(options: Sequence[str], rule: Orders, orders: tuple[Order, ...]) -> None:
    assert orders_of(options, rule) == orders


@given(st.data(), shares)
def test_probabilities_find_back_to_their_options(data: st.DataObject, odds: list[float]) -> None:
    order = tuple(data.draw(st.permutations(range(len(odds)))))
    placed = distribution([odds[option] for option in order])
    assert in_asked_order(placed, order) == distribution(odds)


@given(shares, st.floats(0, 0.9))
def test_a_model_that_goes_by_options_keeps_its_shares(odds: list[float], outside: float) -> None:
    options = tuple(f"Item {letter}" for letter in letters(len(odds)))
    orders = orders_of(options, "rotate")
    found = single(options, weighed(orders, lambda order: distribution([odds[at] for at in order], outside)))
    assert found.p == pytest.approx(distribution(odds).p, abs=1e-12)
    assert found.order_effect == pytest.approx(0, abs=1e-12)
    assert found.unassigned_mass == pytest.approx(outside, abs=1e-12)
    assert not is_led_by_places(found) or max(found.p) - min(found.p) < 1e-9


@given(st.data(), shares)
def test_a_model_that_goes_by_places_gives_even_shares(data: st.DataObject, odds: list[float]) -> None:
    options = tuple(f"Item {letter}" for letter in letters(len(odds)))
    outside = data.draw(st.lists(st.floats(0, 0.9), min_size=len(odds), max_size=len(odds)))
    orders = orders_of(options, "rotate")
    # the mass outside may differ from order to order: every order counts alike
    found = single(options, weighed(orders, lambda order: distribution(odds, outside[order[0]])))
    even = [1 / len(odds)] * len(odds)
    assert found.p == pytest.approx(even, abs=1e-12)
    assert found.order_effect == pytest.approx(total_variation(distribution(odds).p, even), abs=1e-12)
    assert is_led_by_places(found) == (
        found.order_effect is not None and found.order_effect > total_variation(found.p, even)
    )


def test_average_and_order_effect_by_hand() -> None:
    orders = ((0, 1), (1, 0))
    left = weighed(orders, lambda order: distribution((0.75, 0.25) if order[0] == 0 else (0.5, 0.5)))
    right = weighed(orders, lambda order: distribution((0.5, 0.5) if order[0] == 0 else (1.0, 0.0), 0.5))
    found = aggregate(("Yes", "No"), [("left", 0.75, left), ("right", 0.25, right)])
    # left: Yes 3/4 and 1/2, so 5/8; right: Yes 1/2 and, B being Yes, 0, so 1/4
    first, second = Fraction(3, 4) * Fraction(3, 4) + Fraction(1, 8), Fraction(3, 4) * Fraction(1, 2)
    mean = (first + second) / 2
    assert [row[0] for row in found.by_order] == pytest.approx([float(first), float(second)], abs=1e-15)
    assert found.p == pytest.approx((float(mean), float(1 - mean)), abs=1e-15)
    assert found.per_community == {
        "left": pytest.approx((0.625, 0.375)),
        "right": pytest.approx((0.25, 0.75)),
    }
    assert found.order_effect == pytest.approx(float(first - mean), abs=1e-15)
    assert found.order_effects == {"left": pytest.approx(1 / 8), "right": pytest.approx(1 / 4)}
    assert found.unassigned_mass == pytest.approx(0.25 * 0.5)
    assert (found.orders, found.method, found.bounds) == (orders, "exact", None)
    assert is_led_by_places(found)  # 5/32 beside 1/32 from even shares


def test_an_order_without_any_answer_is_left_out() -> None:
    none = distribution((0.5, 0.5), 1.0, "uniform")
    half = Weighed(((0, 1), (1, 0)), (distribution((0.75, 0.25), 0.2), none))
    found = aggregate(("Yes", "No"), [("half", 0.5, half), ("none", 0.5, Weighed(half.orders, (none, none)))])
    assert found.per_community == {"half": (0.75, 0.25), "none": (0.5, 0.5)}
    assert (found.stand_ins, found.order_effects) == (("none",), {"half": 0.0})
    assert found.unassigned_mass == pytest.approx(0.5 * 0.6 + 0.5)
    assert single(("Yes", "No"), Weighed(half.orders, (none, none))).order_effect is None


@given(st.data(), st.lists(line, min_size=2, max_size=26, unique=True), phrase)
def test_only_the_options_of_a_list_move(data: st.DataObject, options: list[str], question: str) -> None:
    posed = pose(question, options)
    order = tuple(data.draw(st.permutations(range(len(options)))))
    moved = relisted(posed.text, posed.options, order)
    assert read(moved) == tuple(options[option] for option in order)
    assert sorted(moved) == sorted(posed.text)
    back = tuple(order.index(option) for option in range(len(order)))
    assert relisted(moved, read(moved), back) == posed.text


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        (
            "Question: Rome or Paris?\nOptions: A. Paris B. London C. Rome\nAnswer:",
            "A. London B. Rome C. Paris",
        ),
        ("Which?\n(A) Paris\n(B) London\n(C) Rome", "(A) London\n(B) Rome\n(C) Paris"),
        (
            "A. Paris B. London C. Rome was asked before.\n\nA. Paris\nB. London\nC. Rome",
            "A. London\nB. Rome\nC. Paris",
        ),
    ],
)
def test_the_last_list_is_the_questions(text: str, moved: str) -> None:
    assert moved in relisted(text, CITIES, (1, 2, 0))
    assert relisted(text, CITIES, (0, 1, 2)) == text


def test_a_text_that_lists_its_options_nowhere_is_asked_as_it_stands() -> None:
    assert orders_in("Paris, London or Rome?", CITIES, "rotate") == ((0, 1, 2),)
    with pytest.raises(ValueError, match="lists its options nowhere"):
        relisted("Paris, London or Rome?", CITIES, (1, 2, 0))


@pytest.mark.parametrize(
    ("comment", "moved"),
    [
        ("A. Paris, since it is near.", "C. Paris, since it is near."),
        ("My answer is A.", "My answer is C."),
        ("I would choose option B because it rains.", "I would choose option A because it rains."),
        ("**B**\nIt rains.", "**A**\nIt rains."),
        ("Answer: (C)", "Answer: (B)"),
        ("Some say A. Paris, some C. Rome.", "Some say C. Paris, some B. Rome."),
        ("A good answer is a short one.", "A good answer is a short one."),
        ("The answer is A good city.", "The answer is A good city."),
        ("Plan B failed. I like vitamin C in winter.", "Plan B failed. I like vitamin C in winter."),
        ("Choose D.", "Choose D."),
    ],
)
def test_letters_of_a_comment_move_with_their_options(comment: str, moved: str) -> None:
    assert relettered(comment, CITIES, (1, 2, 0)) == moved
    assert relettered(comment, CITIES, (0, 1, 2)) == comment


def test_every_order_of_every_comment_is_weighed_in_one_call(tmp_path: Path) -> None:
    says = [
        {"pattern": f"(?s)speak for {name}.*which", "text": f"{name}: option A"} for name in ("left", "right")
    ]
    weighs = [
        {"pattern": "(?s)left: option A.*A[.] Paris", "mass": {"A": 0.6, "B": 0.1, "C": 0.1}},
        {"pattern": "(?s)left: option C.*A[.] London", "mass": {"A": 0.25, "B": 0.25, "C": 0.5}},
        {"pattern": "(?s)left: option B.*A[.] Rome", "mass": {"A": 0.25, "B": 0.75}},
        {"match": "right", "mass": {"A": 0.5, "B": 0.3, "C": 0.2}},
    ]
    engine = ScriptedEngine(script(tmp_path, replies=says, distributions=weighs), record=True)
    members = pool(("left", 0.5), ("right", 0.5))
    result = answer(Ask("which?", "distributional", members, options=CITIES, orders="rotate"), engine)
    assert [(call.kind, len(call.requests)) for call in engine.calls] == [
        ("generate", 2),
        ("distribution", 6),
    ]
    texts = [request.messages[-1].content for request in engine.calls[1].requests]
    assert [text.rsplit("Passage: ")[1].split("\n\n")[0] for text in texts[:3]] == [
        "left: option A",
        "left: option C",
        "left: option B",
    ]
    assert {request.options for request in engine.calls[1].requests} == {("A", "B", "C")}  # type: ignore[union-attr]
    found = result.distribution
    assert found is not None
    # Paris: A of the first, C of the second, B of the third; London and Rome likewise
    left = (3 / 4 + 1 / 2 + 3 / 4) / 3, (1 / 8 + 1 / 4 + 0) / 3, (1 / 8 + 1 / 4 + 1 / 4) / 3
    assert found.per_community["left"] == pytest.approx(left, abs=1e-12)
    assert found.per_community["right"] == pytest.approx((1 / 3,) * 3, abs=1e-12)
    assert found.orders == ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    assert found.order_effects["right"] == pytest.approx(1 / 6, abs=1e-12)
    assert result.answer == "Paris"
    assert result.turn is not None and result.turn.replies["llm"] == "A. Paris"


@pytest.mark.parametrize("mode", ["vanilla", "prompting", "moe", "steerable"])
def test_a_model_that_names_the_first_option_says_nothing_in_any_mode(mode: ModeName, tmp_path: Path) -> None:
    first = [{"match": "from 1 to", "mass": {"1": 0.9}}, {"match": "", "mass": {"A": 0.8, "B": 0.1}}]
    engine = ScriptedEngine(script(tmp_path, distributions=first))
    ask = Ask("Ban?", mode, THREE, options=("Yes", "No"), attribute="rural voters", orders="rotate")
    result = answer(ask, engine)
    assert result.distribution is not None
    assert result.distribution.p == pytest.approx((0.5, 0.5), abs=1e-12)
    assert result.distribution.order_effect == pytest.approx(8 / 9 - 0.5)
    assert any(
        "from one order to another the shares move by 38.9 % on the mean, and their average is 0.0 %"
        in warning
        for warning in result.warnings
    )
