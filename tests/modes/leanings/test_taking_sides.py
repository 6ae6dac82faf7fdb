"""Asks whose voices take sides: who is told what, what it costs, and that there is an answer whatever fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Pool
from pluralism_local.conversation.ask_builder import build_ask
from pluralism_local.conversation.rehearsal import rehearse
from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import Cancelled, EngineFailure
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.modes import Ask, draw_more, run
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.leanings.reference import REFERENCE
from pluralism_local.progress import LeaningsProgress
from pluralism_local.records import from_record, to_record
from pluralism_local.results import ModeEvent, Result
from pluralism_local.settings import Settings
from pluralism_local.types import OptionDistribution, OptionRequest, Request
from tests.support.mode_asks import BOUNDED, NO_PROBABILITIES, THREE, community, last, pool, script

QUESTION = "Should phones be banned?"
LEANS = {"left": 0.5, "center": 0.02, "right": -0.52}


class Leaning(ScriptedEngine):
    """Every persona says yes to any question as its habit is, and to `QUESTION` as it leans beside that."""

    def __init__(
        self, habits: dict[str, float] | None = None, fails: Exception | None = None, **more: Any
    ) -> None:
        super().__init__(record=True, **more)
        self.habits, self.fails = habits or {}, fails
        self.weighed: list[list[OptionRequest]] = []

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        if self.fails is not None:
            raise self.fails
        if should_stop():
            raise Cancelled
        if requests[0].options != ("Yes", "No"):
            return super().distribution(requests, should_stop=should_stop)
        self.weighed.append(list(requests))
        return [self._lean(request) for request in requests]

    def _lean(self, request: OptionRequest) -> OptionDistribution:
        persona = request.messages[0].content.removeprefix("You speak for ").rstrip(".")
        odds = self.habits.get(persona, 0.0)
        if request.messages[-1].content.startswith(QUESTION):
            odds += LEANS[persona]
        if "no or yes" in request.messages[-1].content:
            odds += 0.3  # what is said last is said more: both orders together do without it
        else:
            odds -= 0.3
        p = 1 / (1 + math.exp(-odds))
        return OptionDistribution(
            ("Yes", "No"), (p, 1 - p), (p, 1 - p), 0.0, ((p, p), (1 - p, 1 - p)), "exact"
        )


def asked(
    engine: ScriptedEngine,
    prompt: str = QUESTION,
    members: Pool = THREE,
    habits: Habits | None = None,
    should_stop: ShouldStop = never,
    **more: Any,
) -> list[ModeEvent]:
    ask = Ask(prompt, more.pop("mode", "overton"), pool=members, take_sides=True, **more)
    return list(run(ask, llm=engine, communities=engine, habits=habits, should_stop=should_stop))


def told(engine: ScriptedEngine) -> dict[str, str]:
    """By persona the last message of its comment's request."""
    requests = [
        request
        for call in engine.calls
        if call.kind == "generate"
        for request in call.requests
        if len(request.messages) > 1
    ]
    return {
        request.messages[0].content.removeprefix("You speak for ").rstrip("."): request.messages[-1].content
        for request in requests
    }


@pytest.mark.parametrize("habits", [{}, {"left": -2.0, "right": 3.0}, dict.fromkeys(LEANS, 4.0)])
def test_each_voice_is_told_its_side_whatever_it_says_to_any_question(habits: dict[str, float]) -> None:
    engine = Leaning(habits)
    result = last(asked(engine))
    assert told(engine) == {
        "left": f"{QUESTION}\n\nYour answer is yes. Say in a few sentences why.",
        "center": QUESTION,
        "right": f"{QUESTION}\n\nYour answer is no. Say in a few sentences why.",
    }
    assert {comment.community: comment.side for comment in result.comments} == {
        "left": "yes",
        "center": None,
        "right": "no",
    }
    assert any("yes: left; no: right" in warning for warning in result.warnings)
    assert {"leaning@1", "leaning.comment@1"} <= set(result.prompts)


@pytest.mark.parametrize(("mode", "more"), [("overton", {}), ("steerable", {"attribute": "farmers"})])
def test_every_mode_with_free_comments_can(mode: str, more: dict[str, Any]) -> None:
    engine = Leaning()
    result = last(asked(engine, mode=mode, **more))
    assert [comment.side for comment in result.comments] == ["yes", None, "no"]


@pytest.mark.parametrize("afterwards", [False, True])
def test_comments_that_are_drawn_beside_one_take_its_side(afterwards: bool) -> None:
    engine = Leaning()
    result = last(asked(engine, draws=0 if afterwards else 3))
    first = engine.calls if not afterwards else list(engine.calls)
    if afterwards:
        ask = Ask(QUESTION, "overton", pool=THREE, take_sides=True, draws=3)
        draw_more(ask, result.comments, result.answer, llm=engine, communities=engine)
    calls = [call.requests for call in first if call.kind == "generate"]
    drawn = [call.requests for call in engine.calls if call.kind == "generate"][-1]
    assert len(calls[0]) == 3 and len(drawn) == 6
    assert [request.messages for request in drawn] == [request.messages for request in calls[0]] * 2


def test_habits_are_measured_once_a_model_and_persona(tmp_path: Path) -> None:
    first, again = Leaning(), Leaning()
    events = asked(first, habits=Habits(tmp_path))
    assert [event.line for event in events if isinstance(event, LeaningsProgress)] == [
        f"sides: the habits of {done} of 3 voices, once for this model" for done in range(3)
    ]
    assert [len(call) for call in first.weighed] == [2 * len(REFERENCE)] * 3 + [6]
    later = asked(again, habits=Habits(tmp_path))
    assert [len(call) for call in again.weighed] == [6]
    assert not any(isinstance(event, LeaningsProgress) for event in later)
    assert last(later).comments == last(events).comments or [c.text for c in last(later).comments] == [
        c.text for c in last(events).comments
    ]
    more = pool(*(member.community for member in THREE.members), community("farmers"))
    LEANS["farmers"] = 0.0
    third = Leaning()
    asked(third, members=more, habits=Habits(tmp_path))
    assert [len(call) for call in third.weighed] == [2 * len(REFERENCE), 8]


@pytest.mark.parametrize(
    "prompt", ["What about phones?", "Ban phones or allow them?", "Write a poem.", "Phones should be banned."]
)
def test_another_question_is_asked_as_it_is(prompt: str) -> None:
    engine = Leaning()
    result = last(asked(engine, prompt))
    assert set(told(engine).values()) == {prompt} and not engine.weighed
    assert any("answered by yes or no" in warning for warning in result.warnings)


def test_options_are_weighed_and_nobody_takes_a_side() -> None:
    engine = ScriptedEngine(record=True)
    result = last(asked(engine, mode="distributional", options=("Yes", "No")))
    assert all(comment.side is None for comment in result.comments)
    assert not {"leaning@1", "leaning.comment@1"} & set(result.prompts)


def test_fewer_than_two_personas_are_no_sides(tmp_path: Path) -> None:
    engine = Leaning()
    members = pool(community("left"), community("right", folder=tmp_path))
    result = last(asked(engine, members=members))
    assert not engine.weighed and all(comment.side is None for comment in result.comments)
    assert any("fewer than two" in warning for warning in result.warnings)


def test_who_speaks_through_an_adapter_is_asked_the_bare_question(tmp_path: Path) -> None:
    engine = Leaning()
    members = pool(community("left"), community("center", folder=tmp_path), community("right"))
    result = last(asked(engine, members=members))
    assert [comment.side for comment in result.comments] == ["yes", None, "no"]
    assert len(engine.weighed[-1]) == 4


def test_where_probabilities_fail_everybody_is_asked_the_question() -> None:
    result = last(asked(Leaning(fails=EngineFailure("The model broke."))))
    assert result.complete and len(result.comments) == 3 and result.answer
    assert "Which sides the voices take could not be told: The model broke." in result.warnings


def test_a_stop_while_habits_are_measured_keeps_those_that_are(tmp_path: Path) -> None:
    engine = Leaning()

    def stop() -> bool:
        return len(engine.weighed) == 2

    result = last(asked(engine, habits=Habits(tmp_path), should_stop=stop))
    assert not result.complete and not result.comments
    assert len(list(tmp_path.iterdir())) == 2
    later = Leaning()
    asked(later, habits=Habits(tmp_path))
    assert [len(call) for call in later.weighed] == [2 * len(REFERENCE), 6]


def test_a_conversation_goes_on_with_what_was_asked(tmp_path: Path) -> None:
    first = last(asked(Leaning(), habits=Habits(tmp_path)))
    assert first.turn is not None
    engine = Leaning()
    asked(engine, "And at work?", habits=Habits(tmp_path), turns=(first.turn,))
    requests: list[Any] = [request for call in engine.calls for request in call.requests]
    left = next(
        request
        for request in requests
        if isinstance(request, Request) and request.messages[0].content == "You speak for left."
    )
    assert [message.content for message in left.messages[1::2]] == [
        f"{QUESTION}\n\nYour answer is yes. Say in a few sentences why.",
        "And at work?",
    ]


def test_a_record_keeps_the_sides() -> None:
    result = last(asked(Leaning()))
    record = to_record(result)
    assert [comment["side"] for comment in record["comments"]] == ["yes", None, "no"]
    assert [comment.side for comment in from_record(record).comments] == ["yes", None, "no"]
    record["comments"][0]["side"] = "maybe"
    assert from_record(record).comments[0].side is None


def test_without_it_nothing_is_weighed() -> None:
    engine = Leaning()
    result = last(run(Ask(QUESTION, "overton", pool=THREE), llm=engine, communities=engine))
    assert not engine.weighed and isinstance(result, Result) and set(told(engine).values()) == {QUESTION}


def test_many_questions_at_once_are_told_the_same_sides(tmp_path: Path) -> None:
    engine, other = Leaning({"left": 1.0}), "What about phones?"
    pattern = Ask("", "overton", pool=THREE, take_sides=True)
    batch = QuestionBatch(engine, engine, pattern, habits=Habits(tmp_path))
    first, second = batch.answer_all([QUESTION, other])
    assert isinstance(first, Result) and isinstance(second, Result)
    alone = last(asked(Leaning({"left": 1.0})))
    assert [comment.side for comment in first.comments] == [comment.side for comment in alone.comments]
    assert set(first.prompts) == set(alone.prompts) and first.warnings == alone.warnings
    assert {comment.side for comment in second.comments} == {None}
    said = {
        request.messages[-1].content
        for call in engine.calls
        for request in call.requests
        if isinstance(request, Request) and len(request.messages) > 1
    }
    assert said == {*told_of(alone), other}
    assert [len(call) for call in engine.weighed] == [2 * len(REFERENCE)] * 3 + [6]
    assert batch.key(QUESTION) != replace(batch, pattern=replace(pattern, take_sides=False)).key(QUESTION)


def told_of(result: Result) -> set[str]:
    """What the voices of an ask were asked."""
    assert result.turn is not None
    return {message for voice, message in result.turn.messages.items() if voice != "llm"}


@pytest.mark.parametrize("fails", [EngineFailure("The model broke.")])
def test_many_questions_are_answered_where_probabilities_fail(fails: Exception) -> None:
    batch = QuestionBatch(
        Leaning(fails=fails), Leaning(fails=fails), Ask("", "overton", pool=THREE, take_sides=True)
    )
    (result,) = batch.answer_all([QUESTION])
    assert isinstance(result, Result) and len(result.comments) == 3
    assert "Which sides the voices take could not be told: The model broke." in result.warnings


def test_the_setting_makes_the_ask() -> None:
    assert build_ask(Settings(take_sides=True), QUESTION, pool=THREE).take_sides
    assert not build_ask(Settings(), QUESTION, pool=THREE).take_sides


def test_the_reference_is_balanced_and_apart_from_the_questions_of_the_judge() -> None:
    from pluralism_local.evaluation.voices import read_questions

    judged = {question.text for question in read_questions()}
    assert len(REFERENCE) == len(set(REFERENCE)) == 24 and not judged & set(REFERENCE)


def test_a_dry_run_counts_habits_once_and_writes_none(tmp_path: Path) -> None:
    engine, ask = Leaning(), Ask(QUESTION, "overton", pool=THREE, take_sides=True)
    first, _ = rehearse(ask, engine, engine, Habits(tmp_path))
    assert sum(bool(step.options) for step in first) == 3 * 2 * len(REFERENCE) + 6
    assert not list(tmp_path.iterdir())
    asked(engine, habits=Habits(tmp_path))
    later, _ = rehearse(ask, engine, engine, Habits(tmp_path))
    assert sum(bool(step.options) for step in later) == 6


def test_who_begins_with_the_other_answer_is_named(tmp_path: Path) -> None:
    replies = script(tmp_path, replies=[{"match": "You speak for right", "text": "Yes."}])
    result = last(asked(Leaning(script=replies)))
    batch = QuestionBatch(
        Leaning(script=replies), Leaning(script=replies), Ask("", "overton", pool=THREE, take_sides=True)
    )
    (together,) = batch.answer_all([QUESTION])
    for either in (result, together):
        assert isinstance(either, Result)
        assert [comment.side for comment in either.comments] == ["yes", None, None]
        assert any("begun with the other" in warning and "right" in warning for warning in either.warnings)


@pytest.mark.parametrize("abilities", [BOUNDED, NO_PROBABILITIES], ids=["bounded", "none"])
def test_a_server_is_not_asked_hundreds_of_times(abilities: Capabilities) -> None:
    engine = Leaning(capabilities=abilities)
    result = last(asked(engine))
    batch = QuestionBatch(engine, engine, Ask("", "overton", pool=THREE, take_sides=True))
    (together,) = batch.answer_all([QUESTION])
    assert not engine.weighed
    for either in (result, together):
        assert isinstance(either, Result) and len(either.comments) == 3
        assert any("does not give exact probabilities" in warning for warning in either.warnings)


def test_a_pool_that_leans_one_way_is_told_no_side() -> None:
    engine = Leaning()
    two = pool(("far", 0.5), ("farther", 0.5))
    LEANS.update(far=1.0, farther=1.5)
    result = last(asked(engine, members=two))
    assert all(comment.side is None for comment in result.comments)
    assert any(warning.startswith("No voice was told a side") for warning in result.warnings)
