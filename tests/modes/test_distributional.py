"""Distributional: one call, weights, communities that say nothing, options that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import Ask
from pluralism_local.modes.aggregate import is_stand_in
from pluralism_local.results import AnswerDelta
from tests.support.mode_asks import NO_PROBABILITIES, THREE, NoLogprobs, answer, events_of, script

QUESTION = "Should phones be banned?"
POSED = f"{QUESTION}\nA. Yes\nB. No\nAnswer:"
SAY = [
    {"pattern": f"(?s)speak for {name}.*banned", "text": f"{name} view"}
    for name in ("left", "center", "right")
]
WEIGH = [
    {"match": "Passage: left view", "mass": {"A": 0.5, "B": 0.25}},
    {"match": "Passage: center view", "mass": {"A": 0.125, "B": 0.125}},
    {"match": "Passage: right view", "mass": {"A": 0.0, "B": 0.5}},
    {"match": POSED, "mass": {"A": 0.75, "B": 0.25}},
]
ASK = Ask(QUESTION, "distributional", THREE, options=("Yes", "No"))


def test_the_pools_weights_decide(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=SAY, distributions=WEIGH), record=True)
    result = answer(ASK, engine)
    found = result.distribution
    assert found is not None
    # 1/2 · 2/3 + 1/4 · 1/2 + 1/4 · 0
    assert found.p == pytest.approx((1 / 3 + 1 / 8, 1 / 6 + 1 / 8 + 1 / 4), abs=1e-15)
    assert found.per_community == {
        "left": pytest.approx((2 / 3, 1 / 3)),
        "center": (0.5, 0.5),
        "right": (0.0, 1.0),
    }
    assert found.weights == {"left": 0.5, "center": 0.25, "right": 0.25}
    assert found.unassigned_mass == pytest.approx(0.5 * 0.25 + 0.25 * 0.75 + 0.25 * 0.5)
    assert (found.options, found.method, found.bounds) == (("Yes", "No"), "scripted", None)
    assert result.answer == "No"
    assert result.warnings == ()
    assert [call.kind for call in engine.calls] == ["generate", "distribution"]
    assert [request.messages[-1].content for request in engine.calls[1].requests] == [
        "Please respond to the following instruction with the help of a passage.\n\n"
        f"Passage: {name} view\n\n{POSED}"
        for name in ("left", "center", "right")
    ]
    assert {request.messages[-1].content for request in engine.calls[0].requests} == {
        f"Please respond to the following question with explanation. {POSED}"
    }
    assert not [event for event in events_of(ASK, engine) if isinstance(event, AnswerDelta)]
    assert result.usage["llm"].prompt > 0
    assert result.prompts == ("options.listed@1", "comment.explained@1", "distributional.answer@1")


def test_options_are_read_from_the_prompt(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=SAY, distributions=WEIGH))
    result = answer(Ask(f"{QUESTION}\nA. Yes\nB. No", "distributional", THREE), engine)
    assert result.distribution is not None
    assert result.distribution.options == ("Yes", "No")
    assert result.answer == "No"


def test_a_silent_community_keeps_its_weight(tmp_path: Path) -> None:
    replies = [{"match": "speak for left", "text": " "}, *SAY]
    engine = ScriptedEngine(script(tmp_path, replies=replies, distributions=WEIGH), record=True)
    result = answer(ASK, engine)
    assert result.distribution is not None
    assert result.distribution.per_community["left"] == (0.75, 0.25)
    assert result.distribution.p == pytest.approx((0.375 + 0.125, 0.125 + 0.125 + 0.25))
    assert result.warnings == (
        "Empty comments, left out: left.",
        "The distribution of the question alone, without a comment, stands in for: left.",
    )
    assert engine.calls[1].requests[0].messages[-1].content == POSED


def test_all_silent_asks_the_question_once(tmp_path: Path) -> None:
    replies = [{"match": "You speak for", "text": ""}]
    engine = ScriptedEngine(script(tmp_path, replies=replies, distributions=WEIGH), record=True)
    result = answer(ASK, engine)
    assert len(engine.calls[1].requests) == 1
    assert result.distribution is not None
    assert result.distribution.p == pytest.approx((0.75, 0.25))
    assert result.answer == "Yes"


def test_mass_outside_the_options_is_said(tmp_path: Path) -> None:
    low = [{"match": POSED, "mass": {"A": 0.1, "B": 0.1}}]
    result = answer(ASK, ScriptedEngine(script(tmp_path, distributions=low)))
    assert result.warnings == (
        "80.0 % of the model's probability lies outside the options: it would rather say something else.",
    )


def test_where_no_option_has_any_probability_there_is_no_answer(tmp_path: Path) -> None:
    none = [{"match": POSED, "mass": {"C": 0.9}}]
    result = answer(ASK, ScriptedEngine(script(tmp_path, replies=SAY, distributions=none)))
    assert (result.distribution, result.answer, result.turn, result.complete) == (None, "", None, False)
    assert len(result.comments) == 3
    assert len(result.warnings) == 1
    assert "none of the options any probability (100.0 % lies outside of them)" in result.warnings[0]
    assert "Ask for an answer in words" in result.warnings[0]


def test_a_single_stand_in_is_named_with_its_weight(tmp_path: Path) -> None:
    some = [{"match": "LEFT", "mass": {"C": 0.9}}, *WEIGH]
    replies = [{"match": "speak for left", "text": "LEFT"}, *SAY]
    result = answer(ASK, ScriptedEngine(script(tmp_path, replies=replies, distributions=some)))
    assert result.distribution is not None
    assert result.distribution.stand_ins == ("left",)
    assert not is_stand_in(result.distribution)
    assert result.warnings[0] == (
        "After the comments of left none of the options had any probability: even shares, 50.0 % of the weight, "
        "stand in for them."
    )
    assert result.complete


@pytest.mark.parametrize("mode", ["vanilla", "prompting", "moe", "steerable"])
def test_no_mode_takes_a_stand_in_as_its_answer(mode: ModeName, tmp_path: Path) -> None:
    none = [{"match": "from 1 to", "mass": {"1": 0.9}}, {"match": "", "mass": {"Z": 0.9}}]
    engine = ScriptedEngine(script(tmp_path, replies=SAY, distributions=none))
    result = answer(Ask(QUESTION, mode, THREE, options=("Yes", "No"), attribute="rural voters"), engine)
    assert (result.distribution, result.answer, result.complete) == (None, "", False)
    assert any("none of the options any probability" in warning for warning in result.warnings)


@pytest.mark.parametrize("options", [(), ("Yes",), tuple(map(str, range(27)))])
def test_unusable_options_cost_nothing(options: tuple[str, ...]) -> None:
    engine = ScriptedEngine(record=True)
    with pytest.raises(InvalidInput):
        answer(Ask(QUESTION, "distributional", THREE, options=options), engine)
    assert engine.calls == []


def test_an_llm_without_probabilities_is_refused_first() -> None:
    llm, communities = ScriptedEngine(capabilities=NO_PROBABILITIES), ScriptedEngine(record=True)
    with pytest.raises(Unsupported, match="gives no probabilities") as caught:
        answer(ASK, llm, communities)
    assert caught.value.hint
    assert communities.calls == []


def test_comments_are_kept_where_a_server_gives_no_probabilities_after_all() -> None:
    result = answer(Ask("Ban phones?", "distributional", THREE, options=("Yes", "No")), NoLogprobs())
    assert len(result.comments) == 3 and not result.complete and result.distribution is None
    assert "The server gives no logprobs." in result.warnings
    with pytest.raises(Unsupported, match="no logprobs"):
        answer(Ask("Ban phones?", "vanilla", None, options=("Yes", "No")), NoLogprobs())
