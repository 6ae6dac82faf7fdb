"""Figures of Overton windows against tables counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from pluralism_local.evaluation.metrics import covered, window_figures

STATES = [
    # s1 s2 s3 s4
    [1, 0, 0, 0],  # in the window, said
    [0, 0, 0, 0],  # in the window, not said
    [1, 0, 1, 0],  # in the window, said twice
    [0, 1, 0, 0],  # not in it, said
    [0, 0, 0, 0],  # not in it, not said
]
REASONABLE = [True, True, True, False, False]


def test_a_window_by_hand() -> None:
    figures = window_figures(STATES, REASONABLE, [0.5, 0.25, 0.25, 0.9, 0.9])
    assert figures.overton_score == pytest.approx(2 / 3)
    assert figures.weighted_overton_score == pytest.approx(0.75)
    assert figures.precision == 2 / 4  # s1 and s3; s2 states what is outside, s4 nothing
    assert figures.whole_window == 0.0
    assert figures.unreasonable == 1 / 2
    assert figures.unreasonable_share == pytest.approx(1 / 3)


def test_even_weights_and_none_are_the_same() -> None:
    figures = window_figures(STATES, REASONABLE)
    assert figures.weighted_overton_score == figures.overton_score
    assert window_figures(STATES, REASONABLE, [7] * 5) == figures


def test_the_pluralistic_answer_states_all_of_the_window_and_nothing_else() -> None:
    figures = window_figures([[1, 0], [0, 1], [0, 0]], [True, True, False])
    assert figures == (1.0, 1.0, 1.0, 1.0, 0.0, 0.0)


def test_what_nobody_can_say_is_no_number() -> None:
    nothing_said = window_figures(np.zeros((2, 0)), [True, False])
    assert (nothing_said.overton_score, nothing_said.precision, nothing_said.unreasonable) == (0, 0, 0)
    assert math.isnan(nothing_said.unreasonable_share)
    none_known = window_figures([[1]], [True])
    assert math.isnan(none_known.unreasonable) and math.isnan(none_known.unreasonable_share)
    empty_window = window_figures([[1]], [False])
    assert math.isnan(empty_window.overton_score) and math.isnan(empty_window.whole_window)
    assert math.isnan(window_figures([[1], [1]], [True, False], [0, 1]).weighted_overton_score)


@pytest.mark.parametrize(
    ("states", "reasonable", "weights"),
    [([1, 0], [True], None), ([[1]], [True, False], None), ([[1]], [True], [1, 2]), ([[1]], [True], [-1])],
)
def test_what_does_not_fit_is_a_bug(states: object, reasonable: object, weights: object) -> None:
    with pytest.raises(ValueError):
        window_figures(states, reasonable, weights)  # type: ignore[arg-type]


@given(
    st.integers(1, 6).flatmap(
        lambda count: st.tuples(
            st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=count, max_size=count),
            st.lists(st.booleans(), min_size=count, max_size=count).filter(any),
        )
    )
)
def test_it_is_recall_and_the_coverage_of_the_window(
    case: tuple[list[list[bool]], list[bool]],
) -> None:
    states, reasonable = np.array(case[0]), np.array(case[1])
    score = window_figures(states, reasonable).overton_score
    assert score == pytest.approx(recall_score(reasonable, states.any(axis=1)))
    assert score == pytest.approx(covered(states[reasonable]))
