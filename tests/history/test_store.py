"""The history as a conversation goes: what is kept when, what is found again, what is gone when deleted."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.history import History, default_path, short_title
from pluralism_local.history.reading import comments as comments_of
from pluralism_local.history.reading import unreadable
from pluralism_local.records import to_record
from tests.support.results import result, talk


def test_it_lies_in_the_users_data(own_home: Path) -> None:
    assert default_path() == own_home / "data" / "logs.db"


def test_a_turn_goes_from_running_to_done(history: History) -> None:
    id = history.begin("  Ban\nphones?  ")
    assert history.list() == [] and history.latest() is None  # nothing to show before the first turn
    turn = history.ask(id, "overton", "Ban phones?", {"model": "starter", "options": []})
    (stored,) = history.get(id).turns
    assert (stored.status, stored.answer, stored.record) == ("running", "", None)
    assert history.get(id).to_go_on() == ()

    history.partial(turn, "Some say")
    assert history.get(id).turns[0].answer == "Some say"

    done = result()
    history.finish(turn, done)
    conversation = history.get(id)
    (stored,) = conversation.turns
    assert (stored.id, stored.status, stored.answer) == (turn, "done", "Some say yes.")
    assert stored.record == to_record(done)
    assert stored.turn == done.turn and conversation.to_go_on() == (done.turn,)
    assert stored.asked_with == {"model": "starter", "options": []}
    assert conversation.title == "Ban phones?" and conversation.updated >= conversation.created


def test_a_failure_keeps_the_message_and_the_answer_so_far(history: History) -> None:
    id = history.begin("x")
    turn = history.ask(id, "vanilla", "Why?", {})
    history.partial(turn, "Because")
    history.fail(turn, "Out of memory.")
    (stored,) = history.get(id).turns
    assert (stored.status, stored.message, stored.answer) == ("failed", "Out of memory.", "Because")
    (going_on,) = history.get(id).to_go_on()
    assert (going_on.prompt, going_on.answer, going_on.messages) == ("Why?", "Because", {})


def test_an_incomplete_result_is_a_stopped_turn(history: History) -> None:
    id = talk(history, result(complete=False), result(answer="", complete=False))
    conversation = history.get(id)
    assert [turn.status for turn in conversation.turns] == ["stopped", "stopped"]
    assert len(conversation.to_go_on()) == 1


def test_comments_that_are_done_remain_of_a_turn_that_never_ends(history: History) -> None:
    id = history.begin("Ban phones?")
    turn = history.ask(id, "overton", "Ban phones?", {})
    (comment,) = result(comment="Nets first.").comments
    history.heard(turn, [comment])
    history.heard(turn, [comment, replace(comment, community="farmers", text="Fields first.")])
    stored = history.get(id).turns[0]
    assert [(one.community, one.text) for one in comments_of(stored)] == [
        ("fishers", "Nets first."),
        ("farmers", "Fields first."),
    ]
    assert unreadable(stored) == "" and stored.turn is None
    assert [one.id for one in history.list("Fields")] == [id]
    history.fail(turn, "llama.cpp failed.")
    assert len(comments_of(history.get(id).turns[0])) == 2
    history.finish(turn, result(comment="Whole."))
    assert [one.text for one in comments_of(history.get(id).turns[0])] == ["Whole."]
    assert history.list("Fields") == []


def test_what_was_asked_again_is_not_gone_on_from(history: History) -> None:
    id = talk(history, result(answer="First."), result(answer="Second."))
    second = history.get(id).turns[1]
    third = history.ask(id, "overton", second.prompt, {"retry_of": second.id})
    assert [turn.answer for turn in history.get(id).to_go_on()] == ["First.", "Second."]
    history.finish(third, result(answer="Third."))
    assert [turn.answer for turn in history.get(id).to_go_on()] == ["First.", "Third."]


def test_the_list_has_the_last_used_first(history: History, path: Path) -> None:
    ids = [talk(history, result(f"Question {number}?")) for number in range(4)]
    connection = sqlite3.connect(path)
    for number, id in enumerate(ids):
        connection.execute("UPDATE conversation SET updated = ? WHERE id = ?", (number, id))
    connection.commit()
    connection.close()
    assert [one.id for one in history.list()] == ids[::-1]
    assert [one.id for one in history.list(limit=2, offset=1)] == [ids[2], ids[1]]
    history.ask(ids[0], "overton", "And then?", {})
    assert history.list()[0].id == ids[0] and history.list()[0].turns == 2
    assert history.list()[1].snippet == "Some say yes."
    latest, answered = history.latest(), history.latest(to_go_on=True)
    assert latest is not None and latest.id == ids[0]
    assert answered is not None and answered.id == ids[0]  # by its first turn
    assert [one.id for one in history.all()] == sorted(ids)
    assert history.counts().conversations == 4 and history.counts().turns == 5


def test_latest_to_go_on_passes_over_what_has_no_answer(history: History) -> None:
    good = talk(history, result())
    bad = history.begin("y")
    history.fail(history.ask(bad, "overton", "Why?", {}), "Broken.")
    found = history.latest(to_go_on=True)
    assert found is not None and found.id == good


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one(history: History) -> None:
    id, other = talk(history, result()), talk(history, result())
    common = next(n for n in range(16) if id[n] != other[n])
    assert history.get(id[: common + 1].upper()).id == id
    with pytest.raises(InvalidInput, match=rf"Several conversations begin with '{id[:common]}': ") as several:
        history.get(id[:common])
    assert id in several.value.message and other in several.value.message
    with pytest.raises(NotFound, match="There is no conversation 'zzz'"):
        history.get("zzz")
    with pytest.raises(NotFound):
        history.get("%")
    with pytest.raises(InvalidInput):
        history.get(" ")


def test_ids_sort_by_time_and_differ(history: History) -> None:
    ids = [history.begin("x") for _ in range(50)]
    assert len(set(ids)) == 50
    times = [id[:10] for id in ids]
    assert times == sorted(times)


def test_renaming_leaves_the_order(history: History) -> None:
    first = talk(history, result())
    updated = history.get(first).updated
    history.rename(first, "Phones \x1b[31m in\nschools")
    assert history.get(first).title == "Phones [31m in schools" and history.get(first).updated == updated
    with pytest.raises(InvalidInput, match="title is empty"):
        history.rename(first, " \n")


def test_titles_are_short_and_never_blank() -> None:
    assert short_title("\n \x00") == "Untitled"
    assert short_title("word " * 100) == "word " * 14 + "word…"
    assert short_title("x" * 1000) == "x" * 79 + "…"


def test_deleting_takes_a_conversation_out_of_the_file_and_the_index(history: History, path: Path) -> None:
    secret = "Xylophonist"
    kept = talk(history, result("Other?", "Other."))
    id = talk(history, result(f"{secret} asked?", f"{secret} answered.", f"{secret} said."))
    assert [one.id for one in history.list(secret)] == [id]
    history.delete(id)
    assert history.list(secret) == [] and [one.id for one in history.list()] == [kept]
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO turn_words(turn_words, rank) VALUES ('integrity-check', 1)")
    assert connection.execute("SELECT count(*) FROM turn").fetchone() == (1,)
    connection.close()
    left = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    assert secret.encode() not in left and b"Other." in left


def test_writing_to_a_deleted_turn_says_so(history: History) -> None:
    id = history.begin("x")
    turn = history.ask(id, "overton", "Why?", {})
    history.delete(id)
    gone = "no longer in the history"
    with pytest.raises(NotFound, match=gone):
        history.partial(turn, "x")
    with pytest.raises(NotFound, match=gone):
        history.finish(turn, result())
    with pytest.raises(NotFound, match=gone):
        history.fail(turn, "x")
    with pytest.raises(NotFound):
        history.ask(id, "overton", "Why?", {})


def test_what_no_file_of_text_can_hold_does_not_stop_it(history: History) -> None:
    odd = result("a\0b \ud800?", "c\0d \udfff", "e\0f \ud800")
    id = talk(history, odd)
    (stored,) = history.get(id).turns
    assert (stored.prompt, stored.answer) == ("ab ??", "cd ?")
    assert stored.record is not None and stored.record["comments"][0]["text"] == "e\0f ?"


def test_the_file_is_its_owners_alone(history: History, path: Path) -> None:
    talk(history, result())
    assert path.stat().st_mode & 0o077 == 0
    assert path.with_name("logs.db-wal").stat().st_mode & 0o077 == 0


def test_two_histories_of_one_file_see_each_other(history: History, path: Path) -> None:
    with History(path) as other:
        id = talk(other, result())
        turn = history.ask(id, "overton", "And?", {})
        history.finish(turn, replace(result(), answer="More."))
        assert [stored.answer for stored in other.get(id).turns] == ["Some say yes.", "More."]
