"""Sentences with their sources: the lead counts right, and what a model writes is mended to go on from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.positions.attribution import (
    Sentence,
    lead,
    marks,
    opening,
    small_words,
)
from pluralism_local.positions.claims import ENDS
from pluralism_local.results import Position, Window

VOICES = ("left", "center", "right", "north", "south", "west")


def window(supporters: int, voices: int = 6) -> tuple[Position, Window]:
    stances = {
        voice: "supports" if place < supporters else "silent" for place, voice in enumerate(VOICES[:voices])
    }
    position = Position("0", "Phones distract.", {}, {}, stances)  # type: ignore[arg-type]
    return position, Window((position,), VOICES[:voices], "llm", "llm")


@pytest.mark.parametrize(
    ("supporters", "voices", "expected"),
    [
        (6, 6, "All six voices hold that "),
        (4, 6, "Most voices, four of six, hold that "),
        (3, 6, "Half of the voices, left, center and right, hold that "),
        (2, 6, "A minority, left and center, holds that "),
        (1, 6, "Only left holds that "),
        (2, 2, "Both voices hold that "),
        (1, 2, "Only left holds that "),
        (1, 1, "left holds that "),
    ],
)
def test_the_lead_counts(supporters: int, voices: int, expected: str) -> None:
    assert lead(*window(supporters, voices)) == expected


def test_the_marks_name_the_voices() -> None:
    assert marks(["press-left", "speech-right"]) == " [press-left, speech-right]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Phones distract.", "phones distract."),  # a word that the comments write small
        ("Biden is right.", "Biden is right."),
        ("The phones distract.", "the phones distract."),
        ("Most voices hold that phones distract.", "phones distract."),
        ("press-left and press-right argue that phones distract.", "phones distract."),
        ("They believe that phones distract.", "phones distract."),
        ("That phones distract is clear.", "phones distract is clear."),
    ],
)
def test_what_a_model_writes_goes_on_from_the_lead(text: str, expected: str) -> None:
    assert opening(text, "Most voices hold that ", small_words(["I say that phones do."])) == expected


def test_a_sentence_is_shown_as_it_comes_and_ends() -> None:
    sentence = Sentence("Only left holds that ", frozenset({"phones"}), "Instead.")
    pieces = [sentence.add(word) for word in ("Phones ", "distract ", "pupils " * 10, "from lessons")]
    end = sentence.end(cut=False)
    assert pieces[:2] == ["", ""] and pieces[2].startswith("phones distract pupils")
    assert "".join(pieces) + end == sentence.text == f"phones distract {'pupils ' * 10}from lessons."


def test_a_long_lead_that_is_written_again_stands_once() -> None:
    before = "A minority, speech-right and press-right, holds that "
    sentence = Sentence(before, frozenset({"phones"}), "Instead.")
    pieces = f"{before}phones should not be banned in schools, for they are of use.".split(" ")
    shown = "".join(sentence.add(f"{piece} ") for piece in pieces) + sentence.end(cut=False)
    assert shown.split() == [
        "phones",
        "should",
        "not",
        "be",
        "banned",
        "in",
        "schools,",
        "for",
        "they",
        "are",
        "of",
        "use.",
    ]


def test_a_sentence_that_was_cut_off_says_so() -> None:
    sentence = Sentence("", frozenset(), "Instead.")
    shown = sentence.add("Phones distract from") + sentence.end(cut=True)
    assert shown == sentence.text == "Phones distract from…"


def test_an_empty_sentence_is_its_position() -> None:
    sentence = Sentence("Only left holds that ", frozenset({"phones"}), "Phones distract.")
    assert sentence.add("  ") + sentence.end(cut=False) == sentence.text == "phones distract."


@given(st.lists(st.text(max_size=90), max_size=8), st.booleans())
def test_what_is_shown_is_the_text(pieces: list[str], cut: bool) -> None:
    sentence = Sentence("Only left holds that ", frozenset(), "Phones distract.")
    shown = "".join(sentence.add(piece) for piece in pieces) + sentence.end(cut=cut)
    assert "".join(shown.split()) == "".join(sentence.text.split())
    assert sentence.text.endswith(ENDS)


@given(st.text(alphabet="a- ,nd", max_size=400))
def test_the_beginning_is_read_in_no_time(text: str) -> None:
    opening(text, "Only left holds that ", frozenset())
