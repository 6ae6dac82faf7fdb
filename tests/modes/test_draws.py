"""Drawn comments in an ask: so many of each voice, of seeds of their own, counted by what they claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput, Unsupported
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.modes import Ask, draw_more, run
from pluralism_local.modes.comments import comment_seed
from pluralism_local.modes.steps import Scores
from pluralism_local.progress import DrawsProgress
from pluralism_local.results import Result
from pluralism_local.types import EngineEvent, Request
from tests.modes.test_positions import BAN, COMMENTS, FREE, Words, replies
from tests.support.mode_asks import THREE, after, script


class Noting(ScriptedEngine):
    """Notes what it is asked; `fails` at the call of this number."""

    fails = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[list[Request]] = []

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        self.asked.append(list(requests))
        if len(self.asked) == self.fails:
            raise EngineFailure("The model broke.")
        yield from super().generate(requests, should_stop=should_stop)


@pytest.fixture
def engine(tmp_path: Path) -> Noting:
    return Noting(script(tmp_path, replies=replies()))


def asked(
    engine: Noting,
    draws: int,
    *,
    positions: bool = False,
    should_stop: ShouldStop = never,
    scorer: object = None,
) -> Result:
    task = Ask("Should phones be banned?", "overton", THREE, draws=draws, positions=positions)
    entailment = scorer or Words()
    *_, last = run(task, llm=engine, communities=engine, should_stop=should_stop, entailment=entailment)  # type: ignore[arg-type]
    assert isinstance(last, Result)
    return last


def test_every_voice_speaks_so_often_each_time_with_a_seed_of_its_own(engine: Noting) -> None:
    found = asked(engine, 4)
    comments, answer, more = engine.asked
    assert (len(comments), len(answer), len(more)) == (3, 1, 9)
    seeds = [request.sampling.seed for request in comments + more]
    assert len(set(seeds)) == 12
    assert seeds[0] == comment_seed(0, "left") and seeds[3] == comment_seed(
        0, "left", 2
    )  # the first stays as it was
    assert {request.messages for request in more} == {request.messages for request in comments}
    assert found.draws is not None and found.window is None and found.complete
    assert {voice: len(texts) for voice, texts in found.draws.comments.items()} == {
        "left": 4,
        "center": 4,
        "right": 4,
    }


def test_positions_are_counted_by_voice_and_weighed_in_the_pool(engine: Noting) -> None:
    draws = asked(engine, 4).draws
    assert draws is not None
    ban, torn, free = sorted(draws.positions, key=lambda position: position.text != BAN)
    if torn.text == FREE:
        torn, free = free, torn
    # the center's comments begin with "I am torn. Phones should be banned.", which claims that it is torn
    assert (ban.counts, free.counts) == (
        {"left": 4, "center": 0, "right": 0},
        {"left": 0, "center": 0, "right": 4},
    )
    assert [position.share.p for position in (ban, torn, free)] == [0.5, 0.25, 0.25]
    assert draws.positions[0] is ban and draws.unseen == 0 and draws.method == "entailment"


@pytest.mark.parametrize("scorer", [None, lambda pairs, should_stop: [(0.1, 0.8, 0.1)] * len(pairs)])
def test_comments_that_claim_the_same_in_words_take_one_position_whoever_tells_them_apart(
    tmp_path: Path, scorer: Any
) -> None:
    never_more = [{"match": "", "mass": {"Yes": 0.1, "No": 0.9}}]
    engine = ScriptedEngine(script(tmp_path, replies=replies(), distributions=never_more))
    task = Ask("Should phones be banned?", "overton", THREE, draws=3)
    *_, last = run(task, llm=engine, communities=engine, entailment=scorer)
    assert isinstance(last, Result) and last.draws is not None
    texts = [position.text for position in last.draws.positions]
    assert len(set(texts)) == len(texts) == 3
    assert [sum(position.counts.values()) for position in last.draws.positions] == [3, 3, 3]
    assert last.draws.unseen == 0


def test_the_positions_of_the_first_comments_come_with_them(engine: Noting) -> None:
    found = asked(engine, 2, positions=True)
    assert found.window is not None and found.draws is not None
    assert found.window.voices == tuple(COMMENTS)


def test_one_comment_of_each_is_no_draw(engine: Noting) -> None:
    assert asked(engine, 0).draws is None and asked(engine, 1).draws is None
    assert len(engine.asked) == 4


def test_what_fails_while_comments_are_drawn_leaves_the_answer(engine: Noting) -> None:
    engine.fails = 3
    found = asked(engine, 3)
    assert found.answer and found.draws is None and found.complete
    assert "The positions of drawn comments could not be counted: The model broke." in found.warnings


def test_a_scorer_that_fails_leaves_the_answer(engine: Noting) -> None:
    def broken(pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> Scores:
        raise EngineFailure("The scorer broke.")

    found = asked(engine, 3, scorer=broken)
    assert found.answer and found.draws is None
    assert "The positions of drawn comments could not be counted: The scorer broke." in found.warnings


@pytest.mark.parametrize("polls", range(1, 60, 4))
def test_a_stop_at_any_moment_says_what_is_not_there(engine: Noting, polls: int) -> None:
    found = asked(engine, 4, should_stop=after(polls))
    assert (found.draws is None) is not found.complete
    if found.answer and len(engine.asked) == 3 and not found.complete:
        assert any(warning.startswith("Stopped before") for warning in found.warnings)


def test_many_questions_together_draw_nothing(engine: Noting) -> None:
    pattern = Ask("x", "overton", THREE, draws=4)
    with pytest.raises(Unsupported, match="for single asks"):
        QuestionBatch(engine, engine, pattern, entailment=Words()).answer_all(["Why?"])
    assert not engine.asked


@pytest.mark.parametrize("draws", [2, 5])
def test_comments_that_are_drawn_after_the_answer_are_those_of_an_ask_that_draws(
    tmp_path: Path, draws: int
) -> None:
    found = asked(Noting(script(tmp_path, replies=replies())), draws)
    engine, progress = Noting(script(tmp_path, replies=replies())), list[DrawsProgress]()
    first = asked(engine, 0)
    engine.asked.clear()
    later = draw_more(
        Ask("Should phones be banned?", "overton", THREE, draws=draws),
        first.comments,
        first.answer,
        llm=engine,
        communities=engine,
        entailment=Words(),
        progress=progress.append,
    )
    assert later.draws == found.draws and later.draws is not None and later.complete
    assert [len(requests) for requests in engine.asked] == [3 * (draws - 1)]
    assert [it.done for it in progress] == list(range(3 * (draws - 1) + 1))
    assert {it.total for it in progress} == {3 * (draws - 1)}
    assert (progress[0].line, progress[-1].line) == (
        f"draws: 0 of {3 * (draws - 1)} comments",
        "draws: comparing the comments …",
    )


@pytest.mark.parametrize("mode", ["vanilla", "steerable", "distributional"])
def test_nothing_is_drawn_for_another_modes_answer(engine: Noting, mode: Any) -> None:
    task = Ask("Should phones be banned?", mode, THREE, draws=3)
    with pytest.raises(InvalidInput, match="overton"):
        draw_more(task, (), "Yes.", llm=engine, communities=engine)
    with pytest.raises(InvalidInput, match="overton"):
        draw_more(Ask("x", "overton", THREE, draws=3), (), " ", llm=engine, communities=engine)
