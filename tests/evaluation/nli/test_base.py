"""Pairs, their order, and what counts as the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.nli.base import LABELS, NliPair, distinct, parts

texts = st.text(min_size=1).filter(str.strip)


def test_the_order_of_the_columns_is_fixed() -> None:
    assert LABELS == ("entailment", "neutral", "contradiction")


@pytest.mark.parametrize(
    ("premise", "hypothesis", "named"), [(" \n", "a", "premise"), ("a", "", "hypothesis")]
)
def test_blank_texts_are_refused_by_name(premise: str, hypothesis: str, named: str) -> None:
    with pytest.raises(InvalidInput, match=f"The {named} of a pair is blank"):
        NliPair(premise, hypothesis)


@given(st.lists(st.builds(NliPair, texts, texts), max_size=12))
def test_distinct_pairs_can_be_put_back(pairs: list[NliPair]) -> None:
    different, index = distinct([*pairs, *pairs])
    assert len(set(different)) == len(different)
    assert [different[place] for place in index] == [*pairs, *pairs]
    assert index.dtype == np.intp


@given(st.integers(0, 50), st.integers(1, 20))
def test_parts_cover_everything_once(count: int, size: int) -> None:
    slices = list(parts(count, size))
    assert [i for part in slices for i in range(count)[part]] == list(range(count))
    assert all(0 < part.stop - part.start <= size for part in slices)
