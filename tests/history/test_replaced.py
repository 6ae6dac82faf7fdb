"""A history that is deleted or replaced while it is open: told once, and the new one is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.errors import HistoryReplaced, InvalidInput
from pluralism_local.history import History, values
from tests.support.results import result, talk


def unlink(path: Path) -> None:
    path.unlink()


def whole_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def with_its_log(path: Path) -> None:
    for file in path.parent.glob("logs.db*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()


def another(path: Path) -> None:
    with History(path.with_name("other.db")) as other:
        talk(other, result("Another's?"))
    for end in ("-wal", "-shm"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
    path.with_name("other.db").replace(path)


@pytest.mark.parametrize("change", [unlink, whole_folder, with_its_log, another])
def test_it_is_told_once_and_begun_anew(path: Path, history: History, change: Callable[[Path], None]) -> None:
    id = talk(history, result("Before?"))
    turn = history.ask(id, "overton", "Running?", {})
    change(path)
    with pytest.raises(HistoryReplaced) as caught:
        history.finish(turn, result("Running?"))
    assert str(path) in caught.value.message and caught.value.hint
    there = ["Another's?"] if change is another else []
    assert [one.title for one in history.list()] == there
    after = talk(history, result("After?"))
    assert [one.title for one in history.list()] == ["After?", *there]
    with History(path) as other:  # what is written can be seen by others, and its writer lives
        assert other.get(after).turns[0].status == "done"
        running = history.ask(after, "overton", "And?", {})
        assert other.get(after).turns[1].status == "running"
        history.finish(running, result("And?"))


def test_readers_see_what_is_there_now(path: Path, history: History) -> None:
    talk(history, result("Before?"))
    path.unlink()
    assert history.list() == []
    with pytest.raises(HistoryReplaced):  # writers are told all the same
        history.begin("x")
    history.begin("x")


def test_what_cannot_be_opened_anew_is_told_until_it_can(path: Path, history: History) -> None:
    talk(history, result("Before?"))
    shutil.rmtree(path.parent)
    path.parent.write_text("in the way")
    for _ in range(2):
        with pytest.raises(InvalidInput, match="cannot be used"):
            history.begin("x")
        with pytest.raises(InvalidInput, match="cannot be used"):
            history.list()
    path.parent.unlink()
    with pytest.raises(HistoryReplaced):
        history.begin("x")
    assert talk(history, result("After?")) == history.list()[0].id


def test_the_conversation_used_last_is_the_latest_though_the_clock_was_set_back(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = talk(history, result("First?")), talk(history, result("Second?"))
    before = values.now()
    monkeypatch.setattr("pluralism_local.history.store.now", lambda: before - 3_600_000)
    for id in (first, second, first):
        history.ask(id, "overton", "And?", {})
        latest = history.latest()
        assert latest is not None and latest.id == id
        assert history.list()[0].id == id
    third = talk(history, result("Third?"))
    assert [one.id for one in history.list()] == [third, first, second]
