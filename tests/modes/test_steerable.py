"""Steerable: what is asked of the LLM, how its choice is read, what follows from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.modes import Ask
from pluralism_local.modes.selection import named_numbers
from pluralism_local.modes.wordings import read_attribute
from pluralism_local.results import Selected, Selection
from pluralism_local.types import OptionRequest, Request, Sampling
from tests.support.mode_asks import NO_PROBABILITIES, THREE, NoLogprobs, answer, events_of, pool, script

QUESTION = "Should phones be banned?"
SAY = [
    {"pattern": f"(?s)speak for {name}.*banned", "text": f"{name} view"}
    for name in ("left", "center", "right")
]
SELECT = "Please select one comment number from 1 to 3:"


def asked(engine: ScriptedEngine) -> list[str]:
    """The last message of every request that went to the LLM (calls after the comments)."""
    return [request.messages[-1].content for call in engine.calls[1:] for request in call.requests]


def test_the_most_probable_comment_is_chosen(tmp_path: Path) -> None:
    mass = {"1": 0.125, "2": 0.5, "3": 0.125}
    file = script(tmp_path, replies=SAY, distributions=[{"match": SELECT, "mass": mass}])
    engine = ScriptedEngine(file, record=True)
    ask = Ask(QUESTION, "steerable", THREE, attribute="rural voters")
    result = answer(ask, engine)
    chances = {"left": 0.125 / 0.75, "center": 0.5 / 0.75, "right": 0.125 / 0.75}
    assert result.selection == Selection("center", "probabilities", chances)
    assert asked(engine) == [
        "Which of the following comments best reflect rural voters?\n\nComment 1: left view\n\n"
        f"Comment 2: center view\n\nComment 3: right view\n\n{SELECT}",
        "Please respond to the following question so that the response reflects rural voters, with the help "
        f"of a passage.\n\nPassage: center view\n\n{QUESTION}",
    ]
    assert [call.kind for call in engine.calls] == ["generate", "distribution", "generate"]
    assert engine.calls[1].requests[0] == OptionRequest(ask.to_llm(asked(engine)[0]), ("1", "2", "3"))
    assert result.prompts == ("question@1", "steerable.select@1", "steerable.answer@1")
    assert [e.selection for e in events_of(ask, engine) if isinstance(e, Selected)] == [result.selection]
    assert set(result.seconds) == {"comments", "selection", "answer", "total"}


@pytest.mark.parametrize(
    ("said", "method", "chosen"),
    [("Comment 3 is the one, not 1.", "parsed", "right"), ("None of the 7.", "fallback", "left")],
)
def test_without_probabilities_the_words_are_read(
    tmp_path: Path, said: str, method: str, chosen: str
) -> None:
    file = script(tmp_path, replies=[{"match": SELECT, "text": said}, *SAY])
    engine = ScriptedEngine(file, capabilities=NO_PROBABILITIES, record=True)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection == Selection(chosen, method, None, said)  # type: ignore[arg-type]
    request = engine.calls[1].requests[0]
    assert isinstance(request, Request)
    assert request.sampling == Sampling(temperature=0, max_tokens=20)
    assert any("named none of the numbers; left was taken" in text for text in result.warnings) == (
        method == "fallback"
    )


def test_a_number_that_was_only_thought_is_not_chosen(tmp_path: Path) -> None:
    thought = "<think>I see 2 comments, and 1 is odd.</think>3"
    file = script(tmp_path, replies=[{"match": SELECT, "text": thought}, *SAY])
    engine = ScriptedEngine(file, capabilities=NO_PROBABILITIES)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection == Selection("right", "parsed", None, "3")


def test_a_choice_that_takes_more_thinking_than_a_number_is_asked_for_again(tmp_path: Path) -> None:
    thought = "<think>" + "well " * 30 + "2</think> 3"
    file = script(tmp_path, replies=[{"match": SELECT, "text": thought}, *SAY])
    engine = ScriptedEngine(file, capabilities=NO_PROBABILITIES, record=True)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection == Selection("right", "parsed", None, "3")
    limits = [call.requests[0].sampling.max_tokens for call in engine.calls[1:3]]  # type: ignore[union-attr]
    assert limits == [20, Ask(QUESTION, "vanilla").answer.max_tokens]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("Number 1 is closest.", [1]),
        ("Comment 1 or comment 2", [1, 2]),
        ("Comment 2, comment 1 and again comment 2", [1, 2]),
        ("1 or 3", [1, 3]),
        ("3", [3]),
        ("7", []),
    ],
)
def test_several_numbers_are_told_apart_from_one(said: str, named: list[int]) -> None:
    assert named_numbers(said, 3) == named


def test_of_several_numbers_the_last_is_taken_with_a_warning(tmp_path: Path) -> None:
    file = script(tmp_path, replies=[{"match": SELECT, "text": "Comment 1, or comment 2."}, *SAY])
    engine = ScriptedEngine(file, capabilities=NO_PROBABILITIES)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection is not None and result.selection.community == "center"
    assert result.warnings == (
        "The model named several numbers (1, 2) instead of one; the last, 2, was taken.",
    )


@given(st.text(max_size=60), st.integers(1, 12))
def test_whatever_is_said_names_numbers_in_range(said: str, count: int) -> None:
    named = named_numbers(said, count)
    assert len(set(named)) == len(named) and all(1 <= one <= count for one in named)


def test_a_server_that_gives_no_probabilities_after_all_is_read(tmp_path: Path) -> None:
    engine = NoLogprobs(script(tmp_path, replies=[{"match": SELECT, "text": "Number 2."}, *SAY]))
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection == Selection("center", "parsed", None, "Number 2.")
    assert result.complete and result.answer
    assert [call.kind for call in engine.calls] == ["generate", "distribution", "generate", "generate"]


def test_numbers_without_any_probability_give_way_to_words(tmp_path: Path) -> None:
    replies = [{"match": SELECT, "text": "2"}, *SAY]
    file = script(tmp_path, replies=replies, distributions=[{"match": SELECT, "mass": {}}])
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), ScriptedEngine(file))
    assert result.selection == Selection("center", "parsed", None, "2")


def test_from_ten_comments_on_one_token_is_not_enough(tmp_path: Path) -> None:
    ten = pool(*((f"community-{number}", 0.1) for number in range(1, 11)))
    file = script(tmp_path, replies=[{"match": "from 1 to 10:", "text": "10"}])
    bounded = replace(EVERYTHING, distribution="bounded")
    result = answer(
        Ask(QUESTION, "steerable", ten, attribute="honesty"), ScriptedEngine(file, capabilities=bounded)
    )
    assert result.selection == Selection("community-10", "parsed", None, "10")
    exact = answer(Ask(QUESTION, "steerable", ten, attribute="honesty"), ScriptedEngine(file))
    assert exact.selection is not None
    assert exact.selection.method == "probabilities"
    assert len(exact.selection.probabilities or {}) == 10


def test_empty_comments_cannot_be_chosen(tmp_path: Path) -> None:
    silent = [{"pattern": "(?s)speak for (left|right).*banned", "text": ""}]
    engine = ScriptedEngine(script(tmp_path, replies=silent), record=True)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection == Selection("center", "only")
    assert [call.kind for call in engine.calls] == ["generate", "generate"]
    assert result.warnings == (
        "Empty comments, left out: left, right.",
        "There was nothing to choose: center was the only one.",
    )
    assert len(result.comments) == 3


def test_the_model_answers_alone_if_nobody_speaks(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=[{"match": "You speak for", "text": ""}]), record=True)
    result = answer(Ask(QUESTION, "steerable", THREE, attribute="honesty"), engine)
    assert result.selection is None
    assert asked(engine) == [
        f"Please respond to the following question so that the response reflects honesty.\n\n{QUESTION}"
    ]
    assert "No community said anything; the model answered alone." in result.warnings
    assert result.answer


def test_survey_questions_are_answered_by_probabilities(tmp_path: Path) -> None:
    file = script(
        tmp_path,
        replies=SAY,
        distributions=[
            {"match": SELECT, "mass": {"3": 1}},
            {"match": "Passage: right view", "mass": {"A": 0.25, "B": 0.5}},
        ],
    )
    engine = ScriptedEngine(file, record=True)
    ask = Ask(QUESTION, "steerable", THREE, attribute="political party: Democrat", options=("Yes", "No"))
    result = answer(ask, engine)
    assert result.answer == "No"
    assert result.distribution is not None
    assert result.distribution.p == pytest.approx((1 / 3, 2 / 3))
    assert result.distribution.per_community == {}
    assert asked(engine)[0].startswith(
        "Which of the following comments best reflect the people of Democrat in terms of political party?\n\n"
    )
    assert asked(engine)[1] == (
        "In terms of political party, you are Democrat. Please respond to the following question with the "
        f"help of a passage.\n\nPassage: right view\n\n{QUESTION}\nA. Yes\nB. No\nAnswer:"
    )
    assert [call.kind for call in engine.calls] == ["generate", "distribution", "distribution"]
    assert (
        engine.calls[0]
        .requests[0]
        .messages[-1]
        .content.startswith("Please respond to the following question with explanation. Should phones")
    )


def test_a_value_that_the_question_names_gets_the_published_wording() -> None:
    value = read_attribute("Value: Justice")
    assert value.phrase == "the value of Justice"
    assert value.prompt("Situation: x\nValue/right/duty: justice")[0].id == "steerable.answer-named@1"
    prompt, fields = value.prompt("Situation: x")
    assert (prompt.id, fields) == ("steerable.answer@1", {"attribute": "the value of Justice"})


@pytest.mark.parametrize("text", [" a: ", ": b", "a:b", "10:30 people"])
def test_what_is_no_pair_is_free_text(text: str) -> None:
    assert (read_attribute(text).kind, read_attribute(text).name) == ("", text.strip())


@pytest.mark.parametrize("attribute", [None, "", "  "])
def test_an_attribute_is_needed(attribute: str | None) -> None:
    engine = ScriptedEngine(record=True)
    with pytest.raises(InvalidInput, match="needs an attribute") as caught:
        answer(Ask(QUESTION, "steerable", THREE, attribute=attribute), engine)
    assert "--attribute" in caught.value.hint
    assert engine.calls == []


def test_options_need_probabilities_before_comments_are_written() -> None:
    engine = ScriptedEngine(capabilities=NO_PROBABILITIES, record=True)
    with pytest.raises(Unsupported):
        answer(Ask(QUESTION, "steerable", THREE, attribute="honesty", options=("Yes", "No")), engine)
    assert engine.calls == []


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["{}", "Comment {}.", "**{}**", "({}) it is", "#{}"]),
)
def test_a_number_is_read(number: int, count: int, form: str) -> None:
    assert named_numbers(form.format(number), count) == ([number] if number <= count else [])


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("3.5 or 2", 2),
        ("0", None),
        ("I'd say 12, then 4", 4),
        ("1,000 reasons for 5.", 5),
        ("B2B", None),
        ("-2", 2),
        ("", None),
        ("²", None),
        ("9" * 5000, None),
        ("Out of 2 comments, number 1 is closest.", 1),
        ("Out of the 3, 2", 2),
        ("I see 2 comments. The first is closest.", None),
        ("None of the 3 fits.", None),
        ("Not 1.", None),
        ("I read 3 comments and choose comment 2", 2),
        ("Please select one comment number from 1 to 3: 2", 2),
        ("Comments 1-3 are weak; the answer is 4.", 4),
        ("The comment number is: **3**", 3),
        ("Passage #2, not passage 1", 2),
        ("2\n\nComment 1 is too short.", 2),
        ("Comment 1 is too short, so\n\n**2.**", 2),
        ("There are 4 people in comment 5", 5),
        ("1, no: 3", 3),
        ("2/3", 2),
        ("Expert 2 is better than 1", 2),
    ],
)
def test_what_is_no_number_of_a_comment(said: str, number: int | None) -> None:
    assert named_numbers(said, 6)[-1:] == ([] if number is None else [number])
