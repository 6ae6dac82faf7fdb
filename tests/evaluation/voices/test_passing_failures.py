"""A failure of a judge that may pass is no answer: it is not kept, so that the next run asks again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import (
    AnswerWithheld,
    ContextOverflow,
    DamagedWeights,
    EngineFailure,
    PlocalError,
    RemoteFailure,
)
from pluralism_local.evaluation.batch_calls import RequestFailure, failure_of
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.judgements import CommentVerdict, StanceJudge, judge_comments
from pluralism_local.evaluation.voices.opinions import SurveyQuestion, survey_answers
from pluralism_local.types import OptionDistribution, OptionRequest

PASSING = [RemoteFailure("It is down.", "Try again."), EngineFailure("No memory.")]
LASTING = [
    AnswerWithheld("It is filtered."),
    DamagedWeights("No numbers."),
    ContextOverflow("It is too long.", needed=9, available=5),
]
SURVEY = [SurveyQuestion("How much?", ("Much", "Little"), {})]
SAID = [VoiceComment("How much?", id, text) for id, text in (("l", "Bad day."), ("r", "Good day."))]


class Failing(ScriptedEngine):
    """Fails where it is asked about a bad day in the second order of the options, until it is well again."""

    def __init__(self, error: PlocalError) -> None:
        super().__init__(record=True)
        self.error, self.well, self.asked = error, False, 0

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        self.asked += 1
        texts = [request.messages[-1].content for request in requests]
        second = any("Bad day." in text and ("A. No" in text or "A. Little" in text) for text in texts)
        if second and not self.well:
            raise self.error
        return super().distribution(requests, should_stop=should_stop)


@pytest.mark.parametrize(
    ("error", "passes"), [*((each, True) for each in PASSING), *((each, False) for each in LASTING)]
)
def test_which_failures_may_pass(error: PlocalError, passes: bool) -> None:
    failure = failure_of(error)
    assert failure.may_pass == passes
    assert failure == RequestFailure(error.code, " ".join(filter(None, (error.message, error.hint))))


def survey(engine: Failing, journal: Journal) -> Any:
    return survey_answers(engine, "me", SURVEY, SAID, journal).keys()


def verdicts(engine: Failing, journal: Journal) -> Any:
    told = judge_comments(StanceJudge(engine), journal, [(it.question, it.text) for it in SAID])
    return {
        (it.question, it.community)
        for it, verdict in zip(SAID, told, strict=True)
        if isinstance(verdict, CommentVerdict)
    }


@pytest.mark.parametrize("asking", [survey, verdicts])
@pytest.mark.parametrize("error", PASSING)
def test_the_next_run_asks_again(tmp_path: Path, asking: Any, error: PlocalError) -> None:
    engine = Failing(error)
    with Journal(tmp_path / "j.jsonl") as journal:
        assert asking(engine, journal) == {("How much?", "r")}
        assert len(journal.records) == 1
    engine.well = True
    with Journal(tmp_path / "j.jsonl") as journal:
        assert asking(engine, journal) == {("How much?", "l"), ("How much?", "r")}
        assert len(journal.records) == 2
        asked = engine.asked
        assert len(asking(engine, journal)) == 2 and engine.asked == asked


@pytest.mark.parametrize("asking", [survey, verdicts])
@pytest.mark.parametrize("error", LASTING)
def test_what_would_fail_again_is_asked_once(tmp_path: Path, asking: Any, error: PlocalError) -> None:
    engine = Failing(error)
    with Journal(tmp_path / "j.jsonl") as journal:
        assert asking(engine, journal) == {("How much?", "r")} and len(journal.records) == 2
    asked = engine.asked
    with Journal(tmp_path / "j.jsonl") as journal:
        assert asking(engine, journal) == {("How much?", "r")}
    assert engine.asked == asked
