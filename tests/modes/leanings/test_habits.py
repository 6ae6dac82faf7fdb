"""What personas say to any question is measured once, and whatever is wrong with the files costs a measurement only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local import cache
from pluralism_local.communities import Member
from pluralism_local.modes.leanings.habits import HABITS, Habits
from pluralism_local.modes.steps import Voice
from pluralism_local.types import ModelInfo
from tests.support.mode_asks import community

MODEL = ModelInfo("m", "llama.cpp", sha256="ab" * 32)


def voice(persona: str) -> Voice:
    return Voice(Member(community("someone", persona), 1.0), None)


def test_a_habit_is_found_by_another_process(tmp_path: Path) -> None:
    first = Habits(tmp_path / HABITS)
    key = first.key(MODEL, voice("You are a farmer."))
    assert first.find(key) is None
    first.keep(key, -0.25)
    assert Habits(tmp_path / HABITS).find(key) == -0.25
    (item,) = cache.items(tmp_path, ["remembered"])
    assert item.about == "what personas say to any question"


def test_without_a_folder_it_is_remembered_as_long_as_the_object_lives() -> None:
    habits = Habits()
    habits.keep("k", 1.5)
    assert habits.find("k") == 1.5 and Habits().find("k") is None


def test_another_model_persona_template_or_weights_is_another_habit() -> None:
    habits, persona = Habits(), voice("You are a farmer.")
    keys = {
        habits.key(MODEL, persona),
        habits.key(MODEL, voice("You are a nurse.")),
        habits.key(ModelInfo("m", "llama.cpp", sha256="cd" * 32), persona),
        habits.key(ModelInfo("m", "llama.cpp", sha256="ab" * 32, weights="Q8_0"), persona),
        habits.key(ModelInfo("m", "remote"), persona),
        Habits(template="none").key(MODEL, persona),
    }
    assert len(keys) == 6
    assert habits.key(MODEL, persona) == habits.key(
        ModelInfo("other name", "llama.cpp", sha256="ab" * 32), persona
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "nonsense", '{"log_odds_of_yes": "much"}', '{"log_odds_of_yes": NaN}']
)
def test_a_damaged_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "k.json").write_text(content)
    habits = Habits(tmp_path)
    assert habits.find("k") is None
    habits.keep("k", 0.5)
    assert json.loads((tmp_path / "k.json").read_text()) == {"log_odds_of_yes": 0.5}


def test_a_folder_that_cannot_be_written_loses_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    habits = Habits(tmp_path / "file")
    habits.keep("k", 0.5)
    assert habits.find("k") == 0.5
