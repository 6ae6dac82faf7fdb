"""A history in a folder of its own, and results to put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.history import History
from pluralism_local.results import LLM_VOICE, Aggregate, Comment, Result, Turn
from pluralism_local.types import ModelInfo, Sampling, Usage


def result(
    prompt: str = "Ban phones?",
    answer: str = "Some say yes.",
    comment: str = "Nets first.",
    *,
    complete: bool = True,
    distribution: Aggregate | None = None,
) -> Result:
    """An overton result in which the fishers said something."""
    said = Comment("fishers", comment, "stop", Usage(4, 0, 2), 0.5, weight=1.0)
    asked = {"fishers": f"{prompt} Comment.", LLM_VOICE: f"{prompt} Passage: {comment}"}
    return Result(
        mode="overton",
        prompt=prompt,
        answer=answer,
        comments=(said,),
        llm=ModelInfo("scripted:", "scripted"),
        communities_model=None,
        answer_sampling=Sampling(),
        comment_sampling=Sampling(),
        distribution=distribution,
        complete=complete,
        turn=Turn(prompt, answer, asked, {"fishers": comment, LLM_VOICE: f" {answer}"}) if answer else None,
    )


def talk(history: History, *turns: Result, title: str = "") -> str:
    """A conversation of these turns; returns its id."""
    id = history.begin(title or turns[0].prompt)
    for turn in turns:
        history.finish(history.ask(id, turn.mode, turn.prompt, {"model": "scripted:"}), turn)
    return id


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "logs.db"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with History(path) as opened:
        yield opened
