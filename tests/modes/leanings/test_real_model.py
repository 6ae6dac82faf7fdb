"""Sides on real engines: what is told is what the engine's own probabilities come to, alone and in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.modes import Ask, run
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.leanings.sides import log_odds, sides, taken
from pluralism_local.modes.leanings.wordings import orders_of, weighed_alone, weighed_for_habit
from pluralism_local.modes.steps import Voice
from pluralism_local.results import Result
from pluralism_local.types import Sampling
from tests.support.mode_asks import community, last, pool

QUESTION = "Should phones be banned in schools?"
MEMBERS = pool(
    community("liberty", "You are a libertarian writer. The state must not forbid what harms nobody else."),
    community("order", "You are a police chief. We believe in discipline at school and clear rules."),
)
SHORT = Sampling(temperature=1.0, max_tokens=6)


@pytest.fixture(scope="module", params=["starter", pytest.param("qwen25-coder-0.5b", marks=pytest.mark.slow)])
def engine(
    request: pytest.FixtureRequest, starter_path: Path, fetched_model: Callable[[str], Path]
) -> Iterator[LlamaEngine]:
    path = starter_path if request.param == "starter" else fetched_model(request.param)
    with LlamaEngine(path, name=request.param, options=LlamaOptions(ctx_size=1024)) as opened:
        yield opened


def test_the_sides_are_those_of_the_engines_probabilities(engine: LlamaEngine, tmp_path: Path) -> None:
    ask = Ask(QUESTION, "overton", MEMBERS, comment=SHORT, answer=SHORT, take_sides=True)
    result = last(run(ask, llm=engine, communities=engine, habits=Habits(tmp_path)))
    voices = [Voice(member, None) for member in MEMBERS.members]
    leanings = {
        voice.id: log_odds(engine.distribution(weighed_alone(voice, QUESTION, orders_of(QUESTION))))
        - log_odds(engine.distribution(weighed_for_habit(voice)))
        for voice in voices
    }
    told = sides(leanings)
    assert {comment.community: comment.side for comment in result.comments} == {
        comment.community: taken(told.get(comment.community), comment.text) for comment in result.comments
    }
    habits = Habits(tmp_path)
    for voice in voices:
        habit = habits.find(habits.key(engine.info, voice))
        assert habit == pytest.approx(log_odds(engine.distribution(weighed_for_habit(voice))), abs=0.02)
    batch = QuestionBatch(engine, engine, ask, habits=habits)
    (together,) = batch.answer_all([QUESTION])
    assert isinstance(together, Result)
    said = [warning for warning in result.warnings if "side" in warning and "begun" not in warning]
    assert said and set(said) <= set(together.warnings)
