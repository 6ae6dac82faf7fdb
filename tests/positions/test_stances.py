"""From probabilities to a window: by hand."""

from __future__ import annotations

import pytest

from pluralism_local.positions.merging import clusters
from pluralism_local.positions.stances import (
    SAID,
    build_window,
    calibrated,
    contrasted,
    extended,
    in_words,
    stance,
    with_answer,
    with_reasons,
)
from pluralism_local.results import Mark, Stance


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ((0.9, 0.0), "supports"),
        ((0.2, 0.7), "opposes"),
        ((0.4, 0.3), "silent"),
        ((0.65, 0.35), "supports"),
        ((0.5, 0.5), "silent"),
    ],
)
def test_stance(relation: tuple[float, float], expected: Stance) -> None:
    assert stance(relation, "llm") == expected


@pytest.mark.parametrize(
    ("yes", "prior", "support"),
    [(0.5, 0.5, 0.5), (0.2, 0.2, 0.5), (0.6, 0.5, 0.6), (0.5, 0.2, 0.8), (0.2, 0.5, 0.2), (1.0, 1.0, 0.5)],
)
def test_agreement_counts_beyond_what_it_is_without_a_comment(
    yes: float, prior: float, support: float
) -> None:
    assert calibrated(yes, prior) == pytest.approx((support, 1 - support))


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("Well. As a senator, I believe that phones should be banned in schools. They distract.", (1.0, 0.0)),
        ("As a senator, I strongly believe that phones should not be banned in schools.", (0.0, 1.0)),
        ("Phones shouldn't be banned in schools.", (0.0, 1.0)),
        ("Should phones be banned in schools?", None),
        ("I disagree with the suggestion that phones be banned in schools.", None),
        ("Whether phones should be banned in schools is a complex question.", None),
        ("Phones distract pupils.", None),
        ("", None),
    ],
)
def test_what_is_said_in_the_words_of_a_claim_needs_no_model(text: str, relation: object) -> None:
    assert in_words(text, "Phones should be banned in schools.") == relation


def test_a_claim_and_its_denial_share_what_both_were_given() -> None:
    claims = ["Voting should be compulsory.", "It raises turnout.", "Voting should not be compulsory."]
    agreed, reason, denied = contrasted([(0.8, 0.2), (0.7, 0.3), (0.6, 0.4)], claims)
    # by hand: odds 4 and 1.5, and 4 / (4 + 1.5) = 0.727
    assert agreed == pytest.approx((8 / 11, 3 / 11)) and denied == pytest.approx((3 / 11, 8 / 11))
    assert reason == (0.7, 0.3)
    assert contrasted([(0.9, 0.1), (0.5, 0.5), (0.9, 0.1)], claims)[0] == pytest.approx((0.5, 0.5))
    assert contrasted([(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)], claims)[2] == pytest.approx((0.0, 1.0), abs=1e-5)


@pytest.mark.parametrize(("opposition", "expected"), [(0.7, "silent"), (0.9, "opposes")])
def test_a_scorer_must_be_surer_of_opposition(opposition: float, expected: Stance) -> None:
    assert stance((0.1, opposition), "entailment") == expected


def test_a_claim_that_no_comment_supports_is_dropped_and_counted() -> None:
    relations = {
        "left": [(0.9, 0.0), (0.1, 0.95), (0.0, 0.0)],
        "right": [(0.1, 0.9), (0.8, 0.0), (0.1, 0.1)],
        "center": [(0.1, 0.0), (0.7, 0.0), (0.2, 0.9)],
    }
    window = build_window(
        ["A b c.", "D e f.", "G h i."], relations, finder="llm", method="entailment", merged=2
    )
    assert [position.text for position in window.positions] == ["D e f.", "A b c."]  # two supporters, one
    assert window.positions[0].supporters == ("right", "center")
    assert window.positions[0].holders("opposes") == ("left",)
    assert window.positions[1].stance == {"left": "supports", "right": "opposes", "center": "silent"}
    assert (window.dropped, window.merged, window.beyond) == (1, 2, 0)
    assert window.voices == ("left", "right", "center")


def test_there_are_at_most_so_many_positions_and_the_rest_is_counted() -> None:
    claims = [f"Claim number {number} stands." for number in range(40)]
    relations = {"left": [(1.0, 0.0)] * 40}
    question = "Which claim number stands?"
    window = build_window(claims, relations, finder="sentences", method="llm", question=question)
    assert (len(window.positions), window.beyond, window.dropped) == (12, 28, 0)


@pytest.mark.parametrize(
    ("second", "stances", "merged"),
    [
        ("Phones help to talk and to work.", "ss-", 1),
        ("Phones help to talk and to work.", "sss", 1),  # the claim of more voices stays
        ("Phones help to talk and to work.", "s-o", 0),
        ("Phones help to find information.", "ss-", 0),
        ("Phones do not help to talk and to play.", "ss-", 0),
        ("Banning phones hurts pupils.", "ss-", 0),  # of the question's words, which all claims have
    ],
)
def test_a_claim_that_adds_nothing_to_one_of_the_same_voices_is_merged(
    second: str, stances: str, merged: int
) -> None:
    relation = {"s": (0.9, 0.1), "o": (0.1, 0.9), "-": (0.5, 0.5)}
    relations = {f"voice {place}": [relation["ss-"[place]], relation[stances[place]]] for place in range(3)}
    claims = ["Phones help to talk and to play.", second]
    question = "Should phones be banned, do they hurt pupils?"
    window = build_window(claims, relations, finder="llm", method="llm", question=question, merged=2)
    assert (window.merged - 2, len(window.positions)) == (merged, 2 - merged)
    assert window.dropped == 0 and window.positions[0].text == (second if stances == "sss" else claims[0])


def test_no_voices_hold_no_positions() -> None:
    window = build_window(["A b c."], {}, finder="llm", method="llm")
    assert (window.positions, window.dropped) == ((), 1)


def test_the_answer_is_put_into_the_window() -> None:
    window = build_window(["A b c.", "D e f."], {"left": [(1, 0), (1, 0)]}, finder="llm", method="llm")
    mark = Mark(1, "left", 0.9, verified=True)
    checked = with_answer(window, [True, False], [mark])
    assert [position.in_answer for position in checked.positions] == [True, False]
    assert checked.marks == (mark,) and window.marks == ()


def test_clusters_are_led_by_their_first_text() -> None:
    agree = {(0, 2), (1, 3), (2, 4)}  # 4 agrees with 2, not with 2's leader
    assert clusters(5, lambda a, b: (a, b) in agree) == [[0, 2], [1, 3], [4]]
    assert clusters(0, lambda a, b: True) == []


def test_who_is_known_to_hold_a_claim_for_a_reason_holds_the_claim_and_no_model_makes_it_so() -> None:
    claims = [
        "Phones should be banned.",
        "Phones should be banned because they distract.",
        "Phones are loud.",
    ]
    loud = (0.2, 0.8)
    assert with_reasons([(0.4, 0.6), SAID, loud], claims) == [SAID, SAID, loud]
    assert with_reasons([(0.4, 0.6), (0.9, 0.1), loud], claims) == [(0.4, 0.6), (0.4, 0.6), loud]
    assert with_reasons([(0.8, 0.2), (0.3, 0.7), loud], claims) == [(0.8, 0.2), (0.3, 0.7), loud]
    assert with_reasons([SAID, (0.7, 0.3), loud], claims) == [SAID, (0.7, 0.3), loud]


def test_a_claim_that_goes_on_from_another_is_held_no_more_probably_but_by_who_says_it() -> None:
    claims = [
        "Phones should be banned.",
        "Phones should be banned in every school.",
        "phones should be banned in every",
    ]
    claims += ["Phones should be banned in every school of the state.", "Phones should be."]
    assert extended(claims) == {0: 4, 1: 2, 2: 0, 3: 1}
    held = with_reasons([(0.6, 0.4), (0.9, 0.1), (0.8, 0.2), (0.7, 0.3), (0.9, 0.1)], claims)
    assert [support for support, _ in held] == [0.6, 0.6, 0.6, 0.6, 0.9]
    said = with_reasons([(0.2, 0.8), SAID], claims[:2])
    assert said == [(0.2, 0.8), SAID]  # it may take something back: of "only in exams" nothing follows


def test_all_reasons_of_a_claim_go_by_what_is_known_of_one() -> None:
    claims = [
        "Cities should ban cars to save lives.",
        "Cities should ban cars because they stink.",
        "Cities should ban cars.",
    ]
    assert with_reasons([SAID, (0.8, 0.2), (0.3, 0.7)], claims) == [SAID, (0.8, 0.2), SAID]
    assert with_reasons([(0.9, 0.1), (0.8, 0.2), (0.3, 0.7)], claims) == [(0.3, 0.7)] * 3
