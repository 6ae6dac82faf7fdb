"""Claims: read from whatever a model replies, tidy, and known by their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.display.figures import cells
from pluralism_local.positions.claims import (
    ENDS,
    LONGEST,
    claim_id,
    is_of_nobody,
    own_view,
    read_claim,
    spoken_claims,
    takes_no_view,
    tidy,
    unreported,
    without_reason,
)

BAN, FREE = "Phones should be banned.", "Parents should decide about phones."


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (BAN, True),
        ("press-left wants a ban.", False),
        ("A ban is what Press-Left wants.", False),
        ("It is right to ban phones.", True),  # of a voice called "right", or not
        ("The press-lefts want a ban.", True),
        ("Should phones be banned?", False),
    ],
)
def test_a_claim_is_of_nobody(claim: str, expected: bool) -> None:
    assert is_of_nobody(claim, ["press-left", "right"]) == expected


@pytest.mark.parametrize(
    "said",
    [
        "Policy experts argue that phones should be banned.",
        "Critics of the present law say that phones should be banned.",
        "Many teachers and parents believe that phones should be banned.",
        "However, the evidence suggests that phones should be banned.",
        "Passage 3 argues that experts think that phones should be banned.",
    ],
)
def test_what_somebody_is_said_to_argue_is_listed_as_the_claim_itself(said: str) -> None:
    assert read_claim(said) == (BAN, "")


@pytest.mark.parametrize(
    "claim",
    [
        "Nobody believes that phones should be banned.",
        "Parents should say that phones are banned.",
        "Teachers who say that phones distract are right.",
        "Critics wrongly claim that phones distract.",
        "It is right to say that phones distract.",
        "Phones distract from what a teacher says that day.",
    ],
)
def test_what_says_another_thing_than_the_claim_in_it_stays(claim: str) -> None:
    assert unreported(claim) == claim and read_claim(claim) == (claim, "")


def test_a_comment_that_reports_others_does_not_make_their_claim() -> None:
    assert spoken_claims({"left": "Policy experts argue that phones distract."}, 1) == {
        "left": ["Policy experts argue that phones distract."]
    }


WITH_REASON = "Phones should be banned because they distract."


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("The comment claims that phones should be banned.", (BAN, "")),
        ("The comment argues that phones should be banned because they distract.", (BAN, WITH_REASON)),
        ("Phones should be banned because they distract. It also says more.", (BAN, WITH_REASON)),
        ("**Phones** should be banned", ("", "")),  # nothing says that it has ended
        ("The comment claims that phones should be banned because they distr", (BAN, "")),
        (f"The comment claims that phones should be banned because {'they distract and ' * 15}.", (BAN, "")),
        (f"The comment claims that phones {'and tablets ' * 30}.", ("", "")),
        ("Phones should be banned due to the noise.", (BAN, "Phones should be banned due to the noise.")),
        (
            "The comment claims that phones help, but it also notes that they distract.",
            ("Phones help, but they distract.", ""),
        ),
        (
            "The comment claims that phones help, but it argues that they distract.",
            ("Phones help, but they distract.", ""),
        ),
        ("Should phones be banned?", ("", "")),
        ("I cannot help with that.", ("", "")),
        ("Handys gehören verboten, weil sie stören.", ("Handys gehören verboten, weil sie stören.", "")),
        ("", ("", "")),
        ("{}", ("", "")),
    ],
)
def test_a_reply_is_read_as_a_claim_and_its_reason(reply: str, expected: tuple[str, str]) -> None:
    assert read_claim(reply) == expected


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("- **Phones** should be banned", BAN),
        ("3. phones should be banned.", BAN),
        ("Passage 2 argues that phones should be banned.", BAN),
        ("The voices believe that phones should be banned.", BAN),
        ("Handys\ngehören   nicht in die Schule", "Handys gehören nicht in die Schule."),
        ("{braces} and <b>markup</b> stay", "{braces} and <b>markup</b> stay."),
        ("电话应当被禁止", "电话应当被禁止."),
        (
            "As a conservative member of the United States Congress, I believe that phones should be banned",
            BAN,
        ),
        ("Therefore, I recommend that phones should be banned.", BAN),
        ("As delegates of the European states, we believe phones should be banned.", BAN),
        ("Yes, phones should be banned.", BAN),
        ("No, I would say that phones should not be banned.", "Phones should not be banned."),
        ("In my view, phones should be banned.", BAN),
        ("I believe in a ban of phones.", "I believe in a ban of phones."),
        ("I think about phones every day.", "I think about phones every day."),
        ("However, on the other hand, phones should be banned.", BAN),
        ("Also, some people argue that phones should be banned", BAN),
        ("Yes.", ""),
        ("I'm sorry, but I can't assist with that.", ""),
        ("As an AI language model, I have no opinion.", ""),
        ("   ", ""),
    ],
)
def test_tidy(text: str, claim: str) -> None:
    assert tidy(text) == claim


@given(st.text(max_size=400))
def test_a_tidy_claim_is_one_line_that_ends_and_stays_as_it_is(text: str) -> None:
    claim = tidy(text)
    assert "\n" not in claim and cells(claim) <= LONGEST + 1
    assert claim == "" or claim.endswith(ENDS)


def test_an_id_is_of_the_words() -> None:
    assert claim_id(BAN) == claim_id("phones  should be banned") != claim_id(FREE)
    assert len(claim_id(BAN)) == 8


def test_spoken_claims_are_the_first_sentences() -> None:
    comments = {"left": f"Well. {BAN} {FREE}", "right": "", "center": "Hm."}
    assert spoken_claims(comments, 1) == {"left": [BAN], "center": []}


BAN_QUESTION = "Should phones be banned in schools?"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (
            "Yes, phones should be banned in schools. They distract.",
            ("Phones should be banned in schools.", ""),
        ),
        (
            "As a senator, I believe that phones should be banned in schools because they distract. We must act.",
            (
                "Phones should be banned in schools.",
                "Phones should be banned in schools because they distract.",
            ),
        ),
        (  # the first is about another matter
            "I believe that parents know best. However, I think a ban of phones in schools is wrong.",
            ("A ban of phones in schools is wrong.", ""),
        ),
        (  # what others say is nobody's own
            "Some people believe that phones should be banned in schools. Others believe that they should not.",
            ("", ""),
        ),
        ("I do not believe that phones should be banned in schools.", ("", "")),
        ("I believe that phones should be banned in schools, since the", ("", "")),  # cut off
        ("Do I believe that phones should be banned in schools? It depends.", ("", "")),
        ("I believe that phones in schools should be banned? Hardly.", ("", "")),
        (f"I believe that phones in schools should be banned{' and hidden' * 20}.", ("", "")),
        ("Phones should be banned in schools.", ("", "")),
        (
            "Whether phones should be banned in schools is a complex question. Some say that they distract.",
            ("Whether phones should be banned in schools is a complex question.", ""),
        ),
        (  # its author says it
            "A ban of phones in schools is complex. I believe that phones should be banned in schools.",
            ("Phones should be banned in schools.", ""),
        ),
        ("A ban of phones in schools is controversial. Phones in schools must be banned.", ("", "")),
        (  # others say it
            "A ban of phones in schools is controversial. Some say that phones in schools must be banned.",
            ("A ban of phones in schools is controversial.", ""),
        ),
        ("Growing up is complex. Phones ring in schools.", ("", "")),
        ("Phones ring in schools. A ban of phones in schools is complex.", ("", "")),
        ("Ich glaube, dass Handys in der Schule verboten gehören.", ("", "")),
        ("我认为学校应该禁止手机。", ("", "")),
        ("", ("", "")),
    ],
)
def test_what_an_author_says_to_hold_on_the_question(comment: str, expected: tuple[str, str]) -> None:
    assert own_view(comment, BAN_QUESTION) == expected


@given(st.text(max_size=300), st.text(max_size=60))
def test_a_view_is_a_claim_of_its_comment(comment: str, question: str) -> None:
    claim, whole = own_view(comment, question)
    assert claim == tidy(claim) and (not whole or without_reason(whole) == claim != whole)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (
            "As an AI, I do not have personal opinions. However, I can provide information. Some say it is wrong.",
            True,
        ),
        ("As a language model I don’t have any political views. Phones are widely used.", True),
        ("I cannot take a position on this. There are two sides.", True),
        ("I am unable to express an opinion.", True),
        ("I am an AI language model and do not have personal opinions or beliefs. Phones are used.", True),
        ("My parents and do not ask me why.", False),
        ("As an AI, I do not have personal opinions, but I believe that phones should be banned.", False),
        ("I do not have a personal opinion on phones. We should ask teachers.", False),
        ("I do not have a car, and I take my bicycle.", False),
        ("I cannot support a ban.", False),
        ("Phones distract. I do not have an opinion on tablets.", False),
        ("As an AI, I believe that phones should be banned.", False),
        ("Some people do not have opinions.", False),
        ("", False),
    ],
)
def test_an_author_who_takes_no_view(comment: str, expected: bool) -> None:
    assert takes_no_view(comment) == expected
