"""Ranking metrics by hand and against scikit-learn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pluralism_local.evaluation.metrics import average_precision, roc_auc

ranked = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=2, max_size=40
).filter(lambda pairs: len({is_so for is_so, _ in pairs}) == 2)


def test_by_hand() -> None:
    is_so, scores = [True, False, True, False], [0.9, 0.8, 0.7, 0.7]
    # of the four pairs of one that is so and one that is not: two in order, one the other way, one equal
    assert roc_auc(is_so, scores) == 2.5 / 4
    # precision 1 at the first, 2/4 where the second is found, each adding half of the recall
    assert average_precision(is_so, scores) == 0.5 * 1 + 0.5 * 0.5


@given(ranked)
@settings(deadline=None)  # scikit-learn is slow on its first call
def test_scikit_learn_says_the_same(pairs: list[tuple[bool, float]]) -> None:
    is_so, scores = [one for one, _ in pairs], [score for _, score in pairs]
    assert roc_auc(is_so, scores) == pytest.approx(roc_auc_score(is_so, scores), abs=1e-12)
    assert average_precision(is_so, scores) == pytest.approx(
        average_precision_score(is_so, scores), abs=1e-12
    )


def test_equal_scores_are_no_order() -> None:
    is_so = [True, False, False, True, False]
    assert roc_auc(is_so, [0.3] * 5) == 0.5
    assert average_precision(is_so, [0.3] * 5) == 2 / 5


def test_what_cannot_be_ranked_is_nan() -> None:
    assert math.isnan(roc_auc([], [])) and math.isnan(average_precision([], []))
    assert math.isnan(roc_auc([True, True], [0.1, 0.2])) and average_precision([True, True], [0.1, 0.2]) == 1
    assert math.isnan(roc_auc([False], [0.1])) and math.isnan(average_precision([False], [0.1]))
    assert math.isnan(roc_auc([True, False], [0.1, math.nan]))
    with pytest.raises(ValueError, match="2 scores for 1"):
        roc_auc([True], [0.1, 0.2])
