"""Cleaning keeps sentences as they are and drops what is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communitylm.corpus.cleaning import cut, fault, mend
from communitylm.corpus.duplicates import near_duplicates
from pluralism_local.evaluation.metrics import sentences

PROSE = (
    "We should build more homes near the stations, since families cannot find a flat they can pay for. " * 3
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("WASHINGTON, D.C. - The bill helps farmers.", "The bill helps farmers."),
        ("The bill helps. Contact: Ann Lee, 202/224-1234.", "The bill helps."),
        ("Mr. Speaker, this is a bad bill.", "This is a bad bill."),
        ("It is bad. I yield back the balance of my time.", "It is bad."),
        ("It passed in the U. S. Senate.", "It passed in the U.S. Senate."),
        ("a bipar- tisan and long- or short-term plan", "a bipartisan and long- or short-term plan"),
        ("See https://x.example/y or mail a@b.org now.", "See or mail now."),
        ("It’s the â\x80\x93 right â\x80\x93 way.", "It's the – right – way."),
        ("FOR IMMEDIATE RELEASE: We  did\nit. ###", "We did it."),
        ("We met 3,000 people on May 4, 2006.", "We met 3,000 people on May 4, 2006."),
    ],
)
def test_letterhead_goes_and_prose_stays(raw: str, clean: str) -> None:
    assert mend(raw) == clean


def test_a_cut_keeps_the_quotes_that_close_a_sentence() -> None:
    text = 'Mr. Smith of the U.S. Senate said "Never." Did he? He did! It cost $4.50 in St. Louis.'
    assert list(cut(text, 1, 8)) == [
        'Mr. Smith of the U.S. Senate said "Never."',
        "Did he? He did!",
        "It cost $4.50 in St. Louis.",
    ]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(5, 20), st.integers(1, 40))
def test_cut_loses_nothing_and_keeps_its_limits(lengths: list[int], shortest: int, more: int) -> None:
    longest = shortest + more
    told = [" ".join(["Word", *["word"] * (length - 1)]) + "." for length in lengths]
    pieces = list(cut(" ".join(told), shortest, longest))
    assert " ".join(pieces) == " ".join(told)
    for piece in pieces:
        assert len(piece.split()) <= longest or len(sentences(piece)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE.strip(), None),
        ("Too few words.", "too short"),
        (("12 34 56.7 89% " * 20) + "of all.", "not prose"),
        (("WE MUST ACT NOW " * 12) + "for the good of all of us here.", "not prose"),
        (PROSE.strip().rstrip("."), "not prose"),
        (PROSE + "I note the absence of a quorum.", "letterhead"),
        (
            "Wir sollten mehr Wohnungen bei den Bahnhöfen bauen, weil Familien keine Wohnung finden, die sie bezahlen "
            "können, und weil die Stadt sonst immer weiter in die Breite wächst. Das ist unsere Meinung und sie gilt.",
            "another language",
        ),
    ],
)
def test_what_is_no_passage_has_a_reason(text: str, reason: str | None) -> None:
    assert fault(text, 20, 110, "en") == reason
    if reason == "another language":
        assert fault(text, 20, 110, None) is None


def test_near_duplicates_are_the_later_ones() -> None:
    changed = PROSE.replace("families", "people", 1)
    other = (
        "Nothing here is like the other text, for it is about fishing rights in the northern sea today. " * 3
    )
    assert near_duplicates([PROSE, other, changed, PROSE]) == [False, False, True, True]
