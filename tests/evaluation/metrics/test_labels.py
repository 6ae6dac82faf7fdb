"""Label metrics against fractions by hand and against scikit-learn."""

from __future__ import annotations

import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from pluralism_local.evaluation.metrics import accuracy, balanced_accuracy, macro_f1

# what the released evaluation sees: three answers, and "none" where no answer could be read
GOLD = ["support", "support", "support", "oppose", "oppose", "either"]
SAID = ["support", "oppose", "none", "oppose", "support", "either"]

labelled = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(["A", "B", "C", "none", "D"])),
    min_size=1,
    max_size=30,
)


def test_by_hand() -> None:
    assert accuracy(GOLD, SAID) == 3 / 6
    # recall: support 1/3, oppose 1/2, either 1; "none" is no class of gold
    assert balanced_accuracy(GOLD, SAID) == pytest.approx((1 / 3 + 1 / 2 + 1) / 3, abs=1e-12)
    # F1: support 2/(3 + 2), oppose 2/(2 + 2), either 1, none 0
    assert macro_f1(GOLD, SAID) == pytest.approx((2 / 5 + 1 / 2 + 1 + 0) / 4, abs=1e-12)


@given(labelled)
@settings(deadline=None)  # scikit-learn is slow on its first call
def test_scikit_learn_says_the_same(pairs: list[tuple[str, str]]) -> None:
    gold, said = [true for true, _ in pairs], [label for _, label in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of labels that gold lacks, and of a single label
        expected = (
            accuracy_score(gold, said),
            balanced_accuracy_score(gold, said),
            f1_score(gold, said, average="macro", zero_division=0),
        )
    found = (accuracy(gold, said), balanced_accuracy(gold, said), macro_f1(gold, said))
    assert found == pytest.approx(expected, abs=1e-12)


def test_nothing_is_nan_without_a_warning() -> None:
    assert all(math.isnan(metric([], [])) for metric in (accuracy, balanced_accuracy, macro_f1))


def test_only_unreadable_answers() -> None:
    assert accuracy(["A", "B"], ["none", "none"]) == 0
    assert balanced_accuracy(["A", "B"], ["none", "none"]) == 0
    assert macro_f1(["A", "B"], ["none", "none"]) == 0


def test_lengths_must_agree() -> None:
    for metric in (accuracy, balanced_accuracy, macro_f1):
        with pytest.raises(ValueError, match="zip"):
            metric(["A"], [])
