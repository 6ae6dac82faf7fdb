"""Whether a text repeats itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.repetition import NGRAM, repeats, words

EIGHT = "this is a very important point to make"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", False),
        (EIGHT, False),
        (f"{EIGHT}. {EIGHT.upper()}!", True),
        (f"{EIGHT}, then something else, and once more: {EIGHT}", True),
        ("this is a very important point. " * 2, False),  # six words and six words: no eight come twice
        ("this is a very important point. " * 3, True),
        ("no " * 9, True),
    ],
)
def test_eight_words_twice(text: str, found: bool) -> None:
    assert repeats(text) is found


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_repeats_agrees_with_looking_for_every_window(said: list[str]) -> None:
    windows = [tuple(said[i : i + NGRAM]) for i in range(len(said) - NGRAM + 1)]
    assert repeats(" ".join(said)) is any(windows.count(one) > 1 for one in windows)


def test_words_have_no_punctuation_and_no_capitals() -> None:
    assert words("It's 3 o’clock — isn't it?") == ["it's", "3", "o’clock", "isn't", "it"]
