"""Several processes on one history, and what is left of one that dies in the middle of an answer."""

from __future__ import annotations

import fcntl
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from pluralism_local.history import History, store, writers
from pluralism_local.history.writers import WriterMark, is_alive

WRITE_MANY = """
import sys
from pathlib import Path
from pluralism_local.history import History
from tests.support.results import result
path, name = Path(sys.argv[1]), sys.argv[2]
sys.stdin.readline()
shared = None
for number in range(15):
    with History(path) as history:
        shared = shared or (history.latest() or history.get(history.begin(name))).id
        for id in (history.begin(f"{name} {number}"), shared):
            turn = history.ask(id, "overton", f"{name} {number}", {})
            history.partial(turn, "so far")
            history.finish(turn, result(f"{name} {number}", f"answer of {name} {number}"))
"""

ANSWER_FOR_EVER = """
import sys, time
from pathlib import Path
from pluralism_local.history import History
from tests.support.results import result, talk
history = History(Path(sys.argv[1]))
id = talk(history, result("First?", "Finished before."))
turn = history.ask(id, "overton", "Second?", {})
history.partial(turn, "An answer so f")
print(id, flush=True)
time.sleep(600)
"""


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is killed at the latest when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_two_processes_writing_at_once_lose_nothing(path: Path) -> None:
    """Both also make the file, switch it to WAL and bring it up to date at the same moment."""
    with python(WRITE_MANY, str(path), "left") as left, python(WRITE_MANY, str(path), "right") as right:
        for process in (left, right):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert left.wait(120) == 0 and right.wait(120) == 0
    with History(path) as history:
        turns = [turn for one in history.all() for turn in one.turns]
        assert history.counts().turns == len(turns) == 60
    said = sorted(turn.answer for turn in turns)
    assert said == sorted(
        f"answer of {name} {n}" for name in ("left", "right") for n in range(15) for _ in "ab"
    )
    assert all(turn.status == "done" for turn in turns)


def test_killed_in_the_middle_of_a_turn_loses_at_most_the_rest_of_it(path: Path) -> None:
    with python(ANSWER_FOR_EVER, str(path)) as writer:
        assert writer.stdout is not None
        id = writer.stdout.readline().strip()
        with History(path) as history:
            assert [turn.status for turn in history.get(id).turns] == ["done", "running"]
            assert history.list("so f") == []  # a running answer is not searched yet
            writer.send_signal(signal.SIGKILL)
            writer.wait(30)
            done, stopped = history.get(id).turns
            assert (done.status, done.answer) == ("done", "Finished before.")
            assert (stopped.status, stopped.answer, stopped.prompt) == (
                "stopped",
                "An answer so f",
                "Second?",
            )
            assert len(history.list("An answer so f")) == 1
            assert [turn.answer for turn in history.get(id).to_go_on()][-1] == "An answer so f"
    assert list(path.with_name("logs.db.writers").iterdir()) == []


def test_closing_with_a_running_turn_stops_it(path: Path) -> None:
    with History(path) as history:
        id = history.begin("x")
        turn = history.ask(id, "overton", "Why?", {})
        with History(path) as other:
            assert other.get(id).turns[0].status == "running"  # a history of the same process lives, too
    with History(path) as history:
        assert history.get(id).turns[0].status == "stopped"
        history.partial(turn, "late")
        assert history.get(id).turns[0].answer == ""


def test_a_writer_lives_as_long_as_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "writers"
    writer = WriterMark(folder)
    assert is_alive(folder, writer.token) and is_alive(folder, writer.token)
    writer.close()
    writer.close()
    assert not is_alive(folder, writer.token)
    (folder / "left-behind").touch()
    assert not is_alive(folder, "left-behind") and not (folder / "left-behind").exists()


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as Windows would import it: without fcntl, with a msvcrt that locks as Windows does."""

    def locking(file: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None

    msvcrt = ModuleType("msvcrt")
    msvcrt.LK_NBLCK = 2  # type: ignore[attr-defined]
    msvcrt.locking = locking  # type: ignore[attr-defined]
    assert writers.__file__ is not None
    spec = importlib.util.spec_from_file_location("windows_writers", writers.__file__)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as there:
        there.setitem(sys.modules, "fcntl", None)  # importing it fails
        there.setitem(sys.modules, "msvcrt", msvcrt)
        there.setattr(sys, "platform", "win32")
        spec.loader.exec_module(found)
    return found


def test_windows_tells_the_living_from_the_dead_without_fcntl(
    path: Path, on_windows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not hasattr(on_windows, "fcntl")
    monkeypatch.setattr(store, "WriterMark", on_windows.WriterMark)
    monkeypatch.setattr(store, "is_alive", on_windows.is_alive)
    with History(path) as history:
        id = history.begin("x")
        history.ask(id, "overton", "Why?", {})
        (mark,) = path.with_name("logs.db.writers").iterdir()
        with History(path) as other:
            assert other.get(id).turns[0].status == "running"
        assert mark.exists()
    with History(path) as history:
        assert history.get(id).turns[0].status == "stopped"
    assert not mark.exists()
    mark.touch()  # left behind by a process that was killed
    assert not on_windows.is_alive(mark.parent, mark.name) and not mark.exists()
