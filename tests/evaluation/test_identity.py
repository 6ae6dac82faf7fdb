"""A run's identity: what a mode asks with prompts of its own is part of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pluralism_local.evaluation.identity import of_modes
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.modes.algorithms import baselines
from pluralism_local.prompts import PROMPTING


def test_modes_that_word_as_the_task_does_add_nothing() -> None:
    assert [of_modes(task) for task in TASKS.values()] == [{}] * len(TASKS)


def test_a_prompt_that_stands_in_an_algorithm_counts_with_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["overton-nli"]
    monkeypatch.setattr(baselines, "OWN", PROMPTING, raising=False)
    before = of_modes(task)
    assert set(before) == {"vanilla", "prompting", "moe"}  # all three are algorithms of that module
    monkeypatch.setattr(baselines, "OWN", replace(PROMPTING, text=f"{PROMPTING.text} "), raising=False)
    assert set(of_modes(task)) == set(before)
    assert set(of_modes(task).values()).isdisjoint(before.values())
