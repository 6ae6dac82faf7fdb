"""Vanilla and prompting ask the LLM alone; moe asks one community, chosen by its description."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask
from pluralism_local.results import AnswerDelta, CommentDone, Selected, Selection
from pluralism_local.types import Message, Request, Sampling
from tests.support.mode_asks import NO_PROBABILITIES, THREE, answer, events_of, last, script

QUESTION = "Should phones be banned?"
EXPERTS = (
    f"{QUESTION}\n\nPlease select an expert to help with the response.\n\nExpert 1: People of the left.\n"
    "Expert 2: People of the center.\nExpert 3: People of the right.\n\nExpert:"
)


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("vanilla", QUESTION),
        (
            "prompting",
            "Make sure your response reflects diverse values and perspectives for the following instruction. "
            + QUESTION,
        ),
    ],
)
def test_the_llm_alone(mode: ModeName, text: str) -> None:
    llm, communities = ScriptedEngine(record=True), ScriptedEngine(record=True)
    history = (Message("user", "Hello"), Message("assistant", "Good day"))
    sampling = Sampling(max_tokens=5, seed=9)
    ask = Ask(QUESTION, mode, THREE, system="Be brief.", history=history, answer=sampling, keep=True)
    events = events_of(ask, llm, communities)
    result = last(events)
    messages = (Message("system", "Be brief."), *history, Message("user", text))
    assert llm.calls[0].requests == (Request(messages, sampling, keep=True),)
    assert communities.calls == []
    assert "".join(event.text for event in events if isinstance(event, AnswerDelta)) == result.answer
    assert (result.finish, result.complete, len(result.answer.split())) == ("length", True, 5)
    assert result.warnings == ("The answer was cut off at 5 tokens.",)
    assert (result.comments, result.pool, result.communities_model) == ((), None, None)
    assert result.usage["llm"].completion == 5
    assert set(result.seconds) == {"answer", "total"}


@pytest.mark.parametrize("mode", ["vanilla", "prompting"])
def test_options_are_weighed_once(mode: ModeName, tmp_path: Path) -> None:
    weigh = [{"match": f"{QUESTION}\nA. Yes\nB. No\nAnswer:", "mass": {"A": 0.5, "B": 0.25}}]
    engine = ScriptedEngine(script(tmp_path, distributions=weigh), record=True)
    result = answer(Ask(QUESTION, mode, options=("Yes", "No")), engine)
    assert [call.kind for call in engine.calls] == ["distribution"]
    assert result.answer == "Yes"
    assert result.distribution is not None
    assert result.distribution.p == pytest.approx((2 / 3, 1 / 3))
    assert (result.distribution.per_community, result.distribution.weights) == ({}, {})


def test_moe_asks_one_community(tmp_path: Path) -> None:
    file = script(
        tmp_path,
        replies=[{"match": "speak for right", "text": "right view"}],
        distributions=[{"match": EXPERTS, "mass": {"1": 0.25, "3": 0.5}}],
    )
    engine = ScriptedEngine(file, record=True)
    events = events_of(Ask(QUESTION, "moe", THREE), engine)
    result = last(events)
    assert [call.kind for call in engine.calls] == ["distribution", "generate", "generate"]
    assert [[request.messages[-1].content for request in call.requests] for call in engine.calls] == [
        [EXPERTS],
        [QUESTION],
        [f"Passage: right view\n\n{QUESTION}"],
    ]
    chances = {"left": 0.25 / 0.75, "center": 0.0, "right": 0.5 / 0.75}
    assert result.selection == Selection("right", "probabilities", chances)
    assert [comment.community for comment in result.comments] == ["right"]
    assert [type(event) for event in events if isinstance(event, Selected | CommentDone)] == [
        Selected,
        CommentDone,
    ]


def test_moe_falls_back_to_the_heaviest_and_answers_alone_if_it_is_silent(tmp_path: Path) -> None:
    replies = [{"match": "Expert:", "text": "I cannot."}, {"match": "speak for left", "text": "\n"}]
    file = script(tmp_path, replies=replies)
    engine = ScriptedEngine(file, capabilities=NO_PROBABILITIES, record=True)
    result = answer(Ask(QUESTION, "moe", THREE), engine)
    assert result.selection == Selection("left", "fallback", None, "I cannot.")
    assert engine.calls[-1].requests[0].messages[-1].content == QUESTION
    assert result.warnings[1:] == (
        "Empty comments, left out: left.",
        "The chosen community said nothing; the model answered alone.",
    )


def test_moe_weighs_options_after_the_comment(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    result = answer(Ask(QUESTION, "moe", THREE, options=("Yes", "No")), engine)
    assert [call.kind for call in engine.calls] == ["distribution", "generate", "distribution"]
    assert engine.calls[2].requests[0].messages[-1].content.startswith("Passage: ")
    assert result.answer in ("Yes", "No")


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_a_blank_prompt_is_refused_at_the_call(mode: ModeName, prompt: str) -> None:
    with pytest.raises(InvalidInput, match="The prompt is empty"):
        answer(Ask(prompt, mode, THREE), ScriptedEngine())


def test_an_unknown_mode_names_the_nearest() -> None:
    with pytest.raises(PlocalError, match="no mode 'overtone'") as caught:
        answer(Ask(QUESTION, "overtone", THREE), ScriptedEngine())  # type: ignore[arg-type]
    assert "overton" in caught.value.hint


def test_what_is_not_used_is_said() -> None:
    engine = ScriptedEngine()
    result = answer(Ask(QUESTION, "vanilla", attribute="honesty"), engine)
    assert result.warnings == ("The attribute is used by the mode steerable only, not by vanilla.",)
    result = answer(Ask(QUESTION, "overton", THREE, options=("Yes", "No")), engine)
    assert "are not used" in result.warnings[0]


def test_an_empty_answer_is_said(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=[{"match": "phones", "text": " "}]))
    result = answer(Ask(QUESTION, "vanilla"), engine)
    assert (result.answer, result.warnings, result.complete) == ("", ("The model's answer is empty.",), True)
