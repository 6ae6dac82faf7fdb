"""Whenever a mode is stopped, or its LLM fails after the comments, what exists is in the Result."""

from __future__ import annotations

import pytest

from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import ContextOverflow, EngineFailure, InvalidInput, PlocalError, RemoteFailure
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask, run
from pluralism_local.results import AnswerDelta, CommentDelta, CommentDone, ModeEvent, Result
from pluralism_local.types import Sampling
from tests.support.mode_asks import THREE, FailingEngine, after, answer, events_of, last

PROMPT = "Should phones be banned? A. Yes B. No"
COMMENT = Sampling(temperature=1, top_p=0.9, max_tokens=4)


def ask_for(mode: ModeName) -> Ask:
    return Ask(PROMPT, mode, THREE, attribute="honesty", answer=Sampling(max_tokens=4), comment=COMMENT)


@pytest.mark.parametrize("mode", list(MODES))
def test_stopping_at_any_moment_ends_in_a_result(mode: ModeName) -> None:
    whole = answer(ask_for(mode), ScriptedEngine())
    assert whole.complete
    calls = 0
    for calls in range(60):
        engine = ScriptedEngine()
        result = answer(ask_for(mode), engine, should_stop=after(calls))
        if result.complete:
            break
        assert result.finish == "cancelled"
        assert whole.answer.startswith(result.answer)
        for comment, complete in zip(result.comments, whole.comments, strict=False):
            assert complete.text.startswith(comment.text)
            assert comment.problem == ("stopped" if comment.finish == "cancelled" else complete.problem)
        assert answer(ask_for(mode), engine).answer == whole.answer  # the engine stays usable
    else:
        pytest.fail("it never completed")
    assert calls > 0
    assert result.answer == whole.answer
    assert result.comments[0].text == whole.comments[0].text if whole.comments else result.comments == ()


def test_stopped_comments_are_kept_and_the_llm_is_not_asked() -> None:
    engine = ScriptedEngine(record=True)
    result = answer(ask_for("overton"), engine, should_stop=after(2))
    assert [comment.problem for comment in result.comments] == ["stopped"] * 3
    assert all(len(comment.text.split()) == 2 for comment in result.comments)
    assert "Comments stopped before their end: left, center, right." in result.warnings
    assert (len(engine.calls), result.answer) == (1, "")


def test_stopping_after_the_comments_does_not_ask_the_llm() -> None:
    engine = ScriptedEngine(record=True)
    stop = False

    def should_stop() -> bool:
        return stop

    seen: list[ModeEvent] = []
    for event in run(ask_for("distributional"), llm=engine, communities=engine, should_stop=should_stop):
        seen.append(event)
        stop = stop or isinstance(event, CommentDone)
    result = last(seen)
    assert (result.complete, result.finish, result.distribution) == (False, "cancelled", None)
    assert len(engine.calls) == 1


def test_closing_the_generator_closes_the_engines() -> None:
    closed: list[str] = []

    class Watched(ScriptedEngine):
        def generate(self, requests, *, should_stop: ShouldStop = lambda: False):  # type: ignore[no-untyped-def]
            try:
                yield from super().generate(requests, should_stop=should_stop)
            finally:
                closed.append(requests[0].messages[-1].content[:10])

    engine = Watched()
    events = run(ask_for("overton"), llm=engine, communities=engine)
    assert next(event for event in events if isinstance(event, CommentDelta))
    events.close()  # type: ignore[attr-defined]
    assert closed == ["Should pho"]
    events = run(ask_for("overton"), llm=engine, communities=engine)
    assert next(event for event in events if isinstance(event, AnswerDelta))
    events.close()  # type: ignore[attr-defined]
    assert closed[1:] == ["Should pho", "Please com"]


FAILURES = [
    RemoteFailure("The server is gone.", "Start it again."),
    EngineFailure("Out of memory.", ""),
    ContextOverflow("Too long.", "Shorten it.", needed=5, available=4),
]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.code)
@pytest.mark.parametrize(
    ("mode", "at"),
    [
        ("overton", "Please comment"),
        ("steerable", "Which of the following"),
        ("steerable", "Please respond to the following question so"),
        ("distributional", "Please respond to the following instruction"),
        ("moe", "Passage:"),
    ],
)
def test_a_failure_after_the_comments_keeps_them(error: PlocalError, mode: ModeName, at: str) -> None:
    engine = FailingEngine(error, lambda text: text.startswith(at))
    result = answer(ask_for(mode), engine)
    assert not result.complete
    assert result.comments
    assert all(comment.text for comment in result.comments)
    assert result.warnings[-1] == f"{error.message} {error.hint}".strip()


@pytest.mark.parametrize(
    ("mode", "at"),
    [
        ("vanilla", "Should"),
        ("prompting", "Make sure"),
        ("moe", PROMPT + "\n\nPlease select"),
        ("overton", "Should"),
    ],
)
def test_a_failure_before_there_is_anything_is_raised(mode: ModeName, at: str) -> None:
    engine = FailingEngine(RemoteFailure("The server is gone."), lambda text: text.startswith(at), events=1)
    with pytest.raises(RemoteFailure):
        answer(ask_for(mode), engine)


@pytest.mark.parametrize("error", [*FAILURES, InvalidInput("It refused.", "")], ids=lambda error: error.code)
def test_the_part_of_a_lone_answer_before_a_failure_is_kept(error: PlocalError) -> None:
    result = answer(ask_for("vanilla"), FailingEngine(error, lambda text: True))
    assert (len(result.answer.split()), result.complete) == (1, False)
    assert result.warnings[-1] == f"{error.message} {error.hint}".strip()


def test_comments_before_a_failure_of_the_communities_model_are_kept() -> None:
    engine = FailingEngine(RemoteFailure("Gone."), lambda text: text.startswith("Should"), events=9)
    events = events_of(ask_for("overton"), engine)
    result = last(events)
    done = [event.comment for event in events if isinstance(event, CommentDone)]
    assert list(result.comments) == done
    assert all(comment.text and comment.problem == "stopped" for comment in done)
    assert not result.complete
    assert "Gone." in result.warnings


def test_the_part_of_an_answer_before_a_failure_is_kept() -> None:
    engine = FailingEngine(RemoteFailure("Gone."), lambda text: text.startswith("Please comment"))
    events = events_of(ask_for("overton"), engine)
    result = last(events)
    streamed = "".join(event.text for event in events if isinstance(event, AnswerDelta))
    assert result.answer == streamed
    assert len(streamed.split()) == 1
    assert isinstance(events[-1], Result)
