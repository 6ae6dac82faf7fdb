"""Sentence ends in the texts that models write, and the property that nothing is lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pluralism_local.evaluation.metrics import sentences

# each sentence is given on its own; the text is all of them with a space between
PROSE = [
    ["It is fair.", "Is it?", "Yes!", "Perhaps…", "We will see..."],
    ["Mr. Smith met Dr. J. R. Jones and Mrs. Lee.", "They talked."],
    ["She lives in the U.S. with her son.", "He studies."],
    ["She lives in the U.S.", "The law protects her."],
    ["The U.S. Senate voted.", "It passed."],
    ["Consider values, e.g. freedom, i.e. liberty.", "Safety vs. Freedom is hard."],
    ["See No. 5 and Art. 12 of the charter.", "It says so."],
    ["I said no.", "I would not."],
    ["It costs $3.5 million, or 2.75 percent.", "That is 3.5.", "Too much."],
    ['He said, "It is wrong."', "Then he left."],
    ['"Why?" she asked.', '"Because."'],
    ["“Is it wrong?” they ask.", "“It is.”"],
    ["It matters (really!) to us.", "It matters (see below).", "(So it does.)", "[And more.]"],
    ["They wait... and wait.", "Well… maybe."],
    ["**Freedom.**", "It comes first.", "_Safety._"],
    ["Really?!", "Stop!!!", "Now."],
    ["Rights, duties, etc. are values.", "There are more, etc.", "We stop."],
    ["At 5 p.m. they met.", "Acme Inc. paid."],
    ["She holds a Ph.D. in law.", "He does not."],
    ["i think so.", "it is fine.", "right?", "yes."],
    ["Visit example.com today.", "Version 1.2.3 is out."],
    ["It ended in 1984.", "We remember."],
    ["Martin Luther King Jr. spoke.", "We listened."],
    ["It is fair .", "It is just ."],
    ["We met\tMr. Lee and\u00a0Dr. Jones.", "They spoke."],
]


@pytest.mark.parametrize("expected", PROSE, ids=lambda expected: " ".join(expected)[:40])
def test_prose(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


LISTS = [
    ("1. It is fair. 2. It is just.", ["1. It is fair.", "2. It is just."]),
    ("Reasons: 1. It is fair. 2. It is just.", ["Reasons: 1. It is fair.", "2. It is just."]),
    ("a. Freedom\nb. Safety", ["a. Freedom", "b. Safety"]),
    ("- Freedom\n- Safety matters. A lot.\n* Peace", ["- Freedom", "- Safety matters.", "A lot.", "* Peace"]),
    ("Values: • Freedom • Safety", ["Values:", "• Freedom", "• Safety"]),
    ("A heading\n\nA text\r\nof two lines.", ["A heading", "A text", "of two lines."]),
    ("1.\nFreedom\n(b)\nSafety", ["1. Freedom", "(b) Safety"]),
    ("**1.** Freedom counts.", ["**1.** Freedom counts."]),
    ("Fair.\n---\nJust.\n***", ["Fair.", "--- Just. ***"]),
    ("iv. Freedom", ["iv. Freedom"]),
    ("A.\nBecause it is fair.", ["A. Because it is fair."]),
]


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_lists_and_lines(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize("blank", ["", " ", "\n\n", " \t\r\n\u2028 "])
def test_a_blank_text_has_none(blank: str) -> None:
    assert sentences(blank) == []


@pytest.mark.parametrize("bare", ["...", "!", "A.", "1.", "—", "(iv)"])
def test_a_text_of_nothing_but_marks_is_one(bare: str) -> None:
    assert sentences(f" {bare}\n") == [bare]


pieces = st.sampled_from(
    [
        *"abAI.!?…\"'”)]*-•:;,1 \n\t",
        ". ",
        "Mr.",
        "U.S.",
        "e.g.",
        "No.",
        " 12",
        "etc.",
        "The",
        "\u2028",
        "\x1c",
        "1.",
    ]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=40).map("".join)))
@example(". . . A.\n\n•")
def test_every_character_survives_in_order(text: str) -> None:
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in found)
    assert all(len(sentence.splitlines()) == 1 for sentence in found)


@pytest.mark.parametrize("unit", [".", '."', "a", "a. ", "( ", "-\n", "1.\n", "1. ", "• ", "U.S. ", "\n"])
def test_a_model_that_repeats_itself_takes_no_time(unit: str) -> None:
    start = time.process_time()
    sentences(unit * (100_000 // len(unit)))
    assert time.process_time() - start < 5
