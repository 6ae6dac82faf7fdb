"""Answers of whole asks: made of the comments that were judged, kept, gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.answers import ANSWER, Answerer, write_answers
from pluralism_local.evaluation.voices.comments import Speakers, VoiceComment, write_comments
from pluralism_local.modes import Ask, run
from pluralism_local.types import Sampling
from tests.support.mode_asks import THREE, last

QUESTIONS = ["Is tipping fair?", "Should tea be taxed?"]
COMMENT, SHORT = Sampling(1.0, 0.9, 20, 0), Sampling(0.0, 1.0, 40, 0)


def speakers(engine: ScriptedEngine) -> Speakers:
    return Speakers(THREE, engine, COMMENT)


def comments_of(engine: ScriptedEngine, folder: Path) -> list[VoiceComment]:
    with Journal(folder / "comments.jsonl") as journal:
        return write_comments(speakers(engine), QUESTIONS, journal)


def test_an_answer_is_the_asks_own(tmp_path: Path) -> None:
    engine = ScriptedEngine.from_spec("")
    spoken = comments_of(engine, tmp_path)
    with Journal(tmp_path / "answers.jsonl") as journal:
        found = write_answers(Answerer(speakers(engine), SHORT), QUESTIONS, spoken, journal)
    assert [(one.question, one.community) for one in found] == [(text, ANSWER) for text in QUESTIONS]
    for one in found:
        ask = Ask(one.question, "overton", THREE, comment=COMMENT, answer=SHORT)
        result = last(run(ask, llm=engine, communities=engine))
        assert [comment.text for comment in result.comments] == [
            comment.text for comment in spoken if comment.question == one.question
        ]
        assert (one.text, one.ends) == (result.answer, result.finish == "stop")


def test_what_is_kept_is_not_asked_again_and_other_comments_are_another_ask(tmp_path: Path) -> None:
    engine = ScriptedEngine.from_spec("")
    spoken = comments_of(engine, tmp_path)
    answerer, counts = Answerer(speakers(engine), SHORT), list[tuple[int, int]]()

    def write(comments: list[VoiceComment], sampling: Sampling = SHORT) -> list[VoiceComment]:
        counts.clear()
        with Journal(tmp_path / "answers.jsonl") as journal:
            return write_answers(
                replace(answerer, sampling=sampling),
                QUESTIONS,
                comments,
                journal,
                progress=lambda done, total: counts.append((done, total)),
            )

    first = write(spoken)
    assert counts == [(0, 2), (1, 2), (2, 2)]
    assert write(spoken) == first and counts == [(2, 2)]
    write([replace(spoken[0], text="Another word."), *spoken[1:]])
    assert counts == [(1, 2), (2, 2)]
    write(spoken, replace(SHORT, max_tokens=3))
    assert counts[0] == (0, 2)


def test_a_question_on_which_a_voice_is_missing_has_no_answer_yet(tmp_path: Path) -> None:
    engine = ScriptedEngine.from_spec("")
    spoken = comments_of(engine, tmp_path)[:-1]
    with Journal(tmp_path / "answers.jsonl") as journal:
        found = write_answers(Answerer(speakers(engine), SHORT), QUESTIONS, spoken, journal)
    assert [one.question for one in found] == QUESTIONS[:1]


@pytest.mark.parametrize("calls", range(1, 12, 2))
def test_an_answer_that_is_cut_short_is_not_kept(tmp_path: Path, calls: int) -> None:
    engine = ScriptedEngine.from_spec("")
    spoken = comments_of(engine, tmp_path)
    asked = iter(range(calls))
    with Journal(tmp_path / "cut.jsonl") as journal:
        cut = write_answers(
            Answerer(speakers(engine), SHORT),
            QUESTIONS,
            spoken,
            journal,
            should_stop=lambda: next(asked, None) is None,
        )
    with Journal(tmp_path / "whole.jsonl") as journal:
        whole = write_answers(Answerer(speakers(engine), SHORT), QUESTIONS, spoken, journal)
    assert cut == whole[: len(cut)]
