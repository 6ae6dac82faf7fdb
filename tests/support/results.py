"""Results to put into a history, and conversations of them."""

from __future__ import annotations

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
