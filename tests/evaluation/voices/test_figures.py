"""From comments and verdicts to figures, without any model."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.figures import JudgedComment, report
from pluralism_local.evaluation.voices.judgements import CommentVerdict
from pluralism_local.evaluation.voices.pairs import VoicePair
from pluralism_local.evaluation.voices.questions import ContestedQuestion

PAIR = VoicePair("press", "press-left", "press-right")
QUESTIONS = [
    ContestedQuestion("Raise it?", "work", "yes", "no", ("a",)),
    ContestedQuestion("Cut it?", "work", "no", "yes", ("a",)),
    ContestedQuestion("Paint it?", "art"),
]


def judged(
    question: str, community: str, yes: float | None, text: str = "A view.", topic: float = 0.9
) -> JudgedComment:
    verdict = RequestFailure("silent", "-") if yes is None else CommentVerdict(yes, topic, 0.1, 0.2)
    return JudgedComment(VoiceComment(question, community, text, True), verdict)


def test_opposite_voices_that_differ_as_their_parties_do() -> None:
    rows = [
        judged("Raise it?", "press-left", 0.9),
        judged("Raise it?", "press-right", 0.2),
        judged("Cut it?", "press-left", 0.1),
        judged("Cut it?", "press-right", 0.6),
        judged("Paint it?", "press-left", 0.0),
        judged("Paint it?", "press-right", 1.0),  # nobody knows the direction there
    ]

    found = report(QUESTIONS, rows, [PAIR])

    (pair,) = found.pairs
    assert (pair.n, pair.agrees.value) == (2, 1.0)
    assert pair.gap.value == pytest.approx((0.7 + 0.5) / 2)
    assert pair.shuffled is not None and pair.shuffled[0] == pytest.approx(0.5, abs=0.05)
    assert found.directed == 2
    assert found.spread.value == pytest.approx((0.35**2 + 0.25**2 + 0.5**2) / 3)
    assert found.two_sided.value == pytest.approx(2 / 3)
    left = next(one for one in found.voices if one.id == "press-left")
    assert left.left_answer == pytest.approx((0.9, 0.9))


def test_the_same_stance_everywhere_is_chance_and_has_no_spread() -> None:
    rows = [judged(one.text, id, 0.8) for one in QUESTIONS for id in ("press-left", "press-right")]

    found = report(QUESTIONS, rows, [PAIR])

    assert found.pairs[0].agrees.value == 0.5
    assert found.pairs[0].gap.value == 0
    assert found.spread.value == 0
    assert found.two_sided.value == 0


def test_several_registers_are_also_taken_together_by_question() -> None:
    other = VoicePair("speech", "speech-left", "speech-right")
    rows = [judged("Raise it?", id, p) for id, p in (("press-left", 0.9), ("press-right", 0.1))]
    rows += [judged("Raise it?", id, p) for id, p in (("speech-left", 0.1), ("speech-right", 0.9))]

    found = report(QUESTIONS, rows, [PAIR, other])

    assert [(one.register, one.n, one.agrees.value) for one in found.pairs] == [
        ("press", 1, 1.0),
        ("speech", 1, 0.0),
        ("all", 1, 0.5),
    ]


def test_blank_comments_are_off_topic_and_failures_of_the_judge_are_left_out() -> None:
    rows = [
        judged("Raise it?", "a", 0.9),
        judged("Raise it?", "b", None),
        JudgedComment(VoiceComment("Raise it?", "c", "", False), RequestFailure("empty", "-")),
        JudgedComment(VoiceComment("Raise it?", "d", "Not judged yet.", None), None),
    ]

    texts = report(QUESTIONS, rows).texts

    assert (texts.comments, texts.judged, texts.failed) == (4, 1, 1)
    assert texts.on_topic.value == 0.5
    assert texts.ends.value == pytest.approx(2 / 3)


def test_numbers_of_question_and_persona_are_not_invented() -> None:
    question = ContestedQuestion("Is 15 enough?")
    rows = [judged("Is 15 enough?", id, 0.5, "15 of 20 of us, and 7 more") for id in ("a", "b")]

    voices = report([question], rows, personas={"a": "You are one of 20, and 7 in the family."}).voices

    assert [one.texts.invents.value for one in voices] == [0.0, 1.0]


def test_positions_are_the_mean_of_the_asks_that_have_comments() -> None:
    rows = [judged("Raise it?", "a", 0.5), judged("Cut it?", "a", 0.5)]

    assert report(QUESTIONS, rows).positions is None
    found = report(QUESTIONS, rows, positions={"Raise it?": 2, "Cut it?": 1, "Elsewhere?": 9}).positions
    assert found is not None and found.value == 1.5


def test_nothing_gives_no_figures_and_still_a_record() -> None:
    found = report(QUESTIONS, [], [PAIR])

    assert math.isnan(found.texts.on_topic.value)
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["pairs"][0] == {
        "register": "press",
        "left": "press-left",
        "right": "press-right",
        "questions": 0,
        "agrees": {"value": None, "low": None, "high": None},
        "gap": None,
        "shuffled": None,
    }


def test_two_comments_of_one_voice_on_a_question_are_a_bug() -> None:
    with pytest.raises(ValueError, match="twice"):
        report(QUESTIONS, [judged("Cut it?", "a", 0.5)] * 2)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_swapping_the_sides_turns_agreement_round(stances: list[tuple[float, float]]) -> None:
    questions = [ContestedQuestion(f"q{i}?", "t", "yes", "no") for i in range(len(stances))]
    rows = [
        judged(q.text, id, p)
        for q, row in zip(questions, stances, strict=True)
        for id, p in zip("ab", row, strict=True)
    ]
    one, two = (
        report(questions, rows, [VoicePair("r", *order)]).pairs[0] for order in (("a", "b"), ("b", "a"))
    )

    assert one.agrees.value + two.agrees.value == pytest.approx(1)
    assert one.gap.value == pytest.approx(-two.gap.value)
    turned = [ContestedQuestion(q.text, "t", "no", "yes") for q in questions]
    assert report(turned, rows, [VoicePair("r", "a", "b")]).pairs[0].agrees.value == pytest.approx(
        two.agrees.value
    )
