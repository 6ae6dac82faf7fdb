"""What positions cost on a real model, in tokens: what is asked about a comment later does not read it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.borrowed import Borrowed
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.schedule import distinct_cells
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask, run
from pluralism_local.results import Result, Window
from pluralism_local.types import EngineEvent, OptionDistribution, OptionRequest, Request
from tests.support.mode_asks import THREE, script

QUESTION = "Should phones be banned in schools?"
COMMENTS = {
    "left": "As a teacher, I believe that phones should be banned in schools because they distract pupils from "
    "lessons. I see it every day: one message comes, ten heads turn, and nobody listens to me for a while. We "
    "tried rules and boxes at the door, and none of it held for longer than a week.",
    "center": "There are two sides to this. Phones distract pupils from lessons, and they also help those who "
    "must reach their parents. Some schools keep them in boxes, others let them be used in breaks, and the "
    "results differ from town to town, so that each school should try what its own pupils need.",
    "right": "No, phones should not be banned in schools. Parents pay for them and want to reach their children, "
    "and what distracts pupils from lessons is often a dull lesson. A school that teaches how to use a phone well "
    "does more for its pupils than one that collects them in the morning.",
}
TOLD = "Each school should teach how to use a phone well."
REASON = "because what distracts pupils is often a dull lesson"


class Counted(Borrowed):
    """An engine that weighs, while a script writes; with `lingers` off it is not told which prompts others begin as.

    Attributes:
        written, weighed: what was asked.
    """

    def __init__(self, engine: LlamaEngine, scripted: ScriptedEngine, lingers: bool) -> None:
        super().__init__(engine)
        self._scripted, self._lingers = scripted, lingers
        self.written: list[Request] = []
        self.weighed: list[OptionRequest] = []

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        self.written += requests
        free = [replace(request, grammar=None) for request in requests]  # a script's replies are its author's
        return self._scripted.generate(free, should_stop=should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        self.weighed += requests
        told = [replace(request, lingers=request.lingers and self._lingers) for request in requests]
        return self._engine.distribution(told, should_stop=should_stop)


@pytest.fixture(scope="module")
def weights(starter_path: Path) -> Iterator[LlamaEngine]:
    """The starter's weights under another name: as the starter it would not be asked what a comment claims."""
    options = LlamaOptions(ctx_size=2048, threads=1, lanes=1)
    with LlamaEngine(starter_path, name="as-an-llm", options=options) as engine:
        yield engine


def answered(weights: LlamaEngine, folder: Path, lingers: bool = True) -> tuple[Counted, int, Window]:
    """The engine after an answer that is built from positions, how many tokens it read to weigh, and these."""
    said = [{"match": f"You speak for {voice}", "text": text} for voice, text in COMMENTS.items()]
    denial = "Phones should not be banned in schools."
    sentences = [
        {"match": f"Position: {denial}", "text": f"{denial[:-1]} {REASON}."},
        {"match": f"Position: {TOLD}", "text": TOLD},
    ]
    told = {"match": "What does the comment claim", "text": TOLD}
    weights.forget()
    before = weights.stats.decoded_tokens
    counted = Counted(weights, ScriptedEngine(script(folder, replies=[*said, told, *sentences])), lingers)
    *_, found = run(Ask(QUESTION, "overton", THREE, prompts="own"), llm=counted, communities=counted)
    assert isinstance(found, Result) and found.window is not None and REASON in found.answer
    return counted, weights.stats.decoded_tokens - before, found.window


def test_a_comment_whose_mark_is_verified_is_not_read_again(weights: LlamaEngine, tmp_path: Path) -> None:
    counted, read, _ = answered(weights, tmp_path)
    prompts = [weights.prompt_tokens(request.messages) for request in counted.weighed]
    verifying = [prompt for prompt in counted.weighed if REASON in prompt.messages[-1].content]
    assert any(COMMENTS["right"] in prompt.messages[-1].content for prompt in verifying)
    # a few tokens where prompts part, and words that recur from ask to ask, are read apart
    assert read <= distinct_cells(prompts) + 8 * len(prompts)
    _, again, _ = answered(weights, tmp_path, lingers=False)
    assert again - read >= weights.count_tokens(verifying[0].messages) // 2


def test_the_llm_tells_a_claim_only_of_whom_says_none(weights: LlamaEngine, tmp_path: Path) -> None:
    counted, _, window = answered(weights, tmp_path)
    telling = [
        request for request in counted.written if "What does the comment claim" in str(request.messages)
    ]
    assert len(telling) == 1 and COMMENTS["center"] in telling[0].messages[-1].content
    held = {
        position.text: {voice for voice in COMMENTS if position.support[voice] == 1.0}
        for position in window.positions
    }
    ban = "Phones should be banned in schools"
    assert held[f"{ban}."] == held[f"{ban} because they distract pupils from lessons."] == {"left"}
    assert held["Phones should not be banned in schools."] == {"right"}
