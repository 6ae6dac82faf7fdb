"""Written answers are read as the released code reads them, quirks included."""

from __future__ import annotations

import pytest

from pluralism_local.evaluation.parsing import NONE, read_label, read_letter


@pytest.mark.parametrize(
    ("said", "letter"),
    [
        ("A", "A"),
        ("B. Oppose", "B"),
        ("(C)", "C"),
        ("Because it helps", "B"),  # a letter anywhere in the first word
        ("I think the answer is c, surely", "C"),
        ("the answer: b", "B"),
        ("I say B because", "B"),
        ("it is D.", "D"),
        ("in short D: yes", "D"),
        ("so I choose\nB", "B"),
        ("we take\nC\nof these", "C"),
        ("it may be (D)", "D"),
        ("support", None),
        ("", None),
        ("   ", None),
    ],
)
def test_letters(said: str, letter: str | None) -> None:
    assert read_letter(said) == letter


def test_earlier_rules_win() -> None:
    assert (
        read_letter("so the answer is b, not A.") == "B"
    )  # the phrase comes before a letter that stands alone
    assert read_letter("x the answer is A or the answer is b") == "A"  # A is tried first


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("A", "A"),
        ("it supports this", "A"),
        ("one would oppose this", "B"),
        ("it depends", "C"),
        ("Either support or oppose", "A"),  # E is no label, and "support" is looked for first
        ("nothing of that", NONE),
        ("", NONE),
    ],
)
def test_labels(said: str, label: str) -> None:
    assert read_label(said) == label
