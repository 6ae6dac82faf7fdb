"""What of an ask is in the history at each moment, and what happens when the history goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.config import Settings
from pluralism_local.conversation import history_log
from pluralism_local.conversation.history_log import ConversationLog, HistoryLog
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import PlocalError
from pluralism_local.history import History, StoredTurn, default_path
from pluralism_local.modes import Ask
from pluralism_local.results import AnswerDelta, AnswerWithdrawn, CommentDone
from tests.support.mode_asks import THREE, answer

ASK = Ask("Ban phones?", "overton", THREE)


class Log:
    """A log, what it told, and why it was given up."""

    def __init__(self, path: Path | None = None, *, writing: bool = True) -> None:
        self.sentences: list[str] = []
        self.errors: list[PlocalError] = []
        self.history = HistoryLog(
            path, writing=writing, tell=self.sentences.append, given_up=self.errors.append
        )

    def conversation(self, id: str | None = None) -> ConversationLog:
        return ConversationLog(self.history, id)


@pytest.fixture
def log() -> Iterator[Log]:
    """One for the user's own history, closed in the end."""
    log = Log()
    yield log
    log.history.close()


def turns() -> list[StoredTurn]:
    """Of the only conversation."""
    with History(default_path()) as history:
        (conversation,) = history.all()
    return list(conversation.turns)


def test_comments_are_kept_as_they_end_and_the_answer_every_two_seconds(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    result = answer(ASK, ScriptedEngine())
    conversation = log.conversation()
    assert conversation.conversation is None
    conversation.begin(ASK, Settings())
    assert [turn.status for turn in turns()] == ["running"]
    for count, comment in enumerate(result.comments, 1):
        conversation.event(CommentDone(comment))
        assert len((turns()[0].record or {})["comments"]) == count
    conversation.event(AnswerDelta("Not "))
    assert turns()[0].answer == ""
    clock[0] += history_log.PARTIAL_SECONDS
    conversation.event(AnswerDelta("yet"))
    assert turns()[0].answer == "Not yet"
    conversation.event(AnswerWithdrawn())
    clock[0] += history_log.PARTIAL_SECONDS
    conversation.event(AnswerDelta("Well"))
    assert turns()[0].answer == "Well"
    conversation.finish(result)
    (turn,) = turns()
    assert (turn.status, turn.answer) == ("done", result.answer)


@pytest.mark.parametrize(
    ("end", "status", "text"), [("fail", "failed", "No engine."), ("stop", "stopped", "")]
)
def test_an_ask_without_a_result_keeps_its_answer_so_far(log: Log, end: str, status: str, text: str) -> None:
    conversation = log.conversation()
    conversation.begin(ASK, Settings())
    conversation.event(AnswerDelta("So far"))
    if end == "fail":
        conversation.stop()  # saves
        conversation = log.conversation(conversation.conversation)
        conversation.begin(ASK, Settings())
        conversation.event(AnswerDelta("So far"))
        conversation.fail(text)
    else:
        conversation.stop()
    log.history.close()
    turn = turns()[-1]
    assert (turn.status, turn.message) == (status, text)
    assert turns()[0].answer == "So far"


def test_what_is_over_is_not_written_to(log: Log) -> None:
    result = answer(ASK, ScriptedEngine())
    conversation = log.conversation()
    conversation.begin(ASK, Settings())
    conversation.finish(result)
    conversation.event(AnswerDelta("late"))
    conversation.stop()
    conversation.fail("late")
    (turn,) = turns()
    assert (turn.status, turn.answer, turn.message) == ("done", result.answer, "")


def test_a_second_turn_goes_into_the_same_conversation_and_names_the_one_it_asks_again(log: Log) -> None:
    result = answer(ASK, ScriptedEngine())
    conversation = log.conversation()
    first = conversation.begin(ASK, Settings())
    conversation.finish(result)
    conversation.begin(ASK, Settings(), retry_of=first)
    conversation.finish(result)
    assert [turn.asked_with.get("retry_of") for turn in turns()] == [None, first]


def test_without_writing_nothing_is_opened() -> None:
    conversation = Log(writing=False).conversation()
    assert conversation.begin(ASK, Settings()) is None
    conversation.event(AnswerDelta("x"))
    conversation.finish(answer(ASK, ScriptedEngine()))
    assert conversation.conversation is None and not default_path().exists()


def test_a_history_that_cannot_be_opened_is_given_up_once(tmp_path: Path) -> None:
    file = tmp_path / "logs.db"
    file.write_text("this is no database, and longer than a header of one hundred bytes " * 20)
    log = Log(file)
    conversation = log.conversation()
    assert conversation.begin(ASK, Settings()) is None
    conversation.finish(answer(ASK, ScriptedEngine()))
    assert conversation.begin(ASK, Settings()) is None
    assert len(log.errors) == 1 and not log.history.writing and log.sentences == []


@pytest.mark.parametrize("gone", ["file", "conversation"])
def test_what_was_deleted_meanwhile_is_begun_anew_and_told(log: Log, gone: str) -> None:
    result = answer(ASK, ScriptedEngine())
    conversation = log.conversation()
    conversation.begin(ASK, Settings())
    before = conversation.conversation
    if gone == "file":
        for file in default_path().parent.glob("logs.db*"):
            if file.is_file():
                file.unlink()
    else:
        with History(default_path()) as other:
            other.delete(before or "")
    conversation.event(CommentDone(result.comments[0]))
    conversation.finish(result)
    assert len(log.sentences) == 1 and "deleted" in log.sentences[0] and log.errors == []
    assert conversation.conversation not in (None, before)
    (turn,) = turns()
    assert (turn.status, turn.answer) == ("done", result.answer)
