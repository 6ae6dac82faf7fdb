"""The sentences of an answer that is built from positions: which of them the LLM writes, and what it is bound to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.modes import Ask, run
from pluralism_local.results import AnswerDelta, Result
from pluralism_local.types import EngineEvent, Request, Sampling
from tests.support.mode_asks import FULL, THREE, script

BAN, NOISE, FREE = (
    "Phones should be banned.",
    "Phones should be banned because they are loud.",
    "Parents should decide on phones.",
)
COMMENTS = {
    "left": "They are loud in class, and phones should go.",
    "center": "A ban of phones is for the best.",
    "right": "It is parents who know best, and they decide.",
}
ABLE = replace(FULL, grammars="gbnf")
SAY = "Say in one plain sentence"
ASK = Ask("Should phones be banned?", "overton", THREE, positions=True, prompts="own")


class Watched(ScriptedEngine):
    """Keeps what it was asked to write, and writes it whatever it is bound to."""

    requests: list[Request]

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        assert requests, "nothing is asked of nobody"
        self.requests = [*getattr(self, "requests", []), *requests]
        unbound = [replace(request, grammar=None) for request in requests]
        return super().generate(unbound, should_stop=should_stop)


def engine(folder: Path, claims: dict[str, str]) -> Watched:
    """Tells these claims of the comments, says one more thing of a position, and is of no opinion about the rest."""
    replies: list[dict[str, Any]] = [
        *(
            {"pattern": f"(?s)Comment: {re.escape(COMMENTS[voice])}.*What does", "text": claim}
            for voice, claim in claims.items()
        ),
        {"match": f"Position: {FREE}", "text": f"{FREE[:-1]} because they know best."},
        {"match": f"Position: {BAN}", "text": f"{BAN[:-1]} because of the noise."},
        *({"match": f"You speak for {voice}", "text": text} for voice, text in COMMENTS.items()),
    ]
    distributions = [{"match": "", "mass": {"Yes": 0.5, "No": 0.5}}]
    return Watched(script(folder, replies=replies, distributions=distributions), capabilities=ABLE)


@pytest.mark.parametrize(
    ("claims", "written", "answer"),
    [
        (
            {"left": NOISE, "center": BAN, "right": FREE},
            [FREE],
            [
                "Most voices, two of three, hold that phones should be banned. [left, center]",
                "Only right holds that parents should decide on phones because they know best. [right]",
                "Only left holds that phones should be banned because they are loud. [left]",
            ],
        ),
        (
            {"left": NOISE},
            [],
            [
                "Only left holds that phones should be banned. [left]",
                "Only left holds that phones should be banned because they are loud. [left]",
            ],
        ),
        (
            {"center": BAN, "right": FREE},
            [BAN, FREE],
            [
                "Only center holds that phones should be banned because of the noise. [center]",
                "Only right holds that parents should decide on phones because they know best. [right]",
            ],
        ),
    ],
)
def test_the_llm_writes_only_of_positions_whose_reason_is_not_there(
    tmp_path: Path, claims: dict[str, str], written: list[str], answer: list[str]
) -> None:
    llm = engine(tmp_path, claims)
    *events, result = run(ASK, llm=llm, communities=llm)
    assert isinstance(result, Result) and result.complete and result.window is not None
    assert sorted(result.answer.split("\n\n")) == sorted(answer)
    assert "".join(event.text for event in events if isinstance(event, AnswerDelta)) == result.answer
    asked = [request for request in llm.requests if SAY in request.messages[-1].content]
    told = [re.findall(r"Position: (.*)", request.messages[-1].content)[0] for request in asked]
    assert sorted(told) == sorted(written)
    for claim, request in zip(told, asked, strict=True):
        assert request.grammar is not None and claim[1:-1] in request.grammar.gbnf
    assert all(position.in_answer for position in result.window.positions)


def test_many_questions_get_such_sentences_as_each_does_alone(tmp_path: Path) -> None:
    llm = engine(tmp_path, {"left": NOISE, "center": BAN, "right": FREE})
    ask = replace(ASK, comment=Sampling(), answer=Sampling())
    *_, alone = run(ask, llm=llm, communities=llm)
    (together,) = QuestionBatch(llm, llm, replace(ask, prompt="")).answer_all([ask.question])
    assert isinstance(alone, Result) and isinstance(together, Result)
    assert (together.answer, together.window) == (alone.answer, alone.window)
