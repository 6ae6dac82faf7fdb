"""Rounds and a jury on the starter model: voices with adapters and personas, through the engine as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.agreement import Deliberation
from pluralism_local.deliberation.verdict import Candidate
from pluralism_local.engine.base import never
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.modes import Ask, run
from pluralism_local.modes.deliberation.carrying import vote
from pluralism_local.modes.deliberation.jury import judge
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import Case, Judge, Voice
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.types import Sampling
from tests.support.mode_asks import last, pool

QUESTION = "Should phones be banned in schools?"
TWO = pool(("left", 0.5), ("right", 0.5))
COMMENTS = {
    "left": "Phones distract pupils, so they should go.",
    "right": "Parents should decide, not the state.",
}
CANDIDATES = [
    Candidate("00000001", "Phones should be banned in every class.", ("left",)),
    Candidate("00000002", "Parents should decide about phones.", ("right",)),
    Candidate("00000003", "Each school should decide with the parents.", ("llm",)),
]


@pytest.fixture(scope="module")
def engine(starter_path: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=2048)) as opened:
        yield opened


def judged(engine: LlamaEngine, candidates: list[Candidate]) -> dict[str, dict[str, float]]:
    """By voice and statement the scores that the driver gets of the engine."""
    ask = Ask(QUESTION, "overton", TWO)
    voices = tuple(Voice(member, None) for member in TWO.members)
    case = Case(AskWordings(), AskQuestion(QUESTION, False), "text", (), voices, "exact", Sampling())
    steps = judge(case, COMMENTS, candidates)
    step = next(steps)
    assert isinstance(step, Judge)
    engine.forget()
    voting = vote(ResultBuilder(ask, engine, engine), step, engine, never)
    with pytest.raises(StopIteration) as votes:
        while True:
            next(voting)
    reply = votes.value.value
    with pytest.raises(StopIteration) as end:
        while True:  # a warning about scores that say little may come between
            reply = steps.send(reply)
    return {
        voice: {it.id: score for it, score in zip(candidates, row, strict=True)}
        for voice, row in end.value.value.items()
    }


@pytest.mark.slow
def test_scores_do_not_hang_on_the_order_in_which_statements_are_judged(engine: LlamaEngine) -> None:
    straight = judged(engine, CANDIDATES)
    assert (
        len({p for row in straight.values() for p in row.values()}) == 6
    )  # they do hang on voice and statement
    assert judged(engine, CANDIDATES[::-1]) == straight
    assert judged(engine, [*CANDIDATES[1:], CANDIDATES[0]]) == straight


@pytest.mark.slow
def test_an_ask_with_rounds_and_a_jury_on_a_real_model(engine: LlamaEngine) -> None:
    ask = Ask(
        QUESTION,
        "overton",
        TWO,
        comment=Sampling(temperature=1, top_p=0.9, max_tokens=24, seed=3),
        deliberation=Deliberation(1, "maxmin", revises=True, hears="comments"),
    )
    held = last(run(ask, llm=engine, communities=engine))
    assert held.complete and held.agreement is not None and held.answer == held.agreement.chosen.text
    assert [len(it.comments) for it in held.rounds] == [2, 2]
    first, second = held.rounds
    assert [it.text for it in first.comments] != [it.text for it in second.comments]
    for statement in held.agreement.statements:
        assert set(statement.scores) == {"left", "right"}
        assert all(0 < p < 1 for p in statement.scores.values())
    assert any("no consensus" in it for it in held.warnings) == (not held.agreement.is_consensus)
