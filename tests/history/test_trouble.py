"""Files that cannot be used: one sentence each, with what to do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.history import History, database
from tests.support.results import result, talk

FILL = """
import resource, signal, sys
from pathlib import Path
from pluralism_local.errors import InvalidInput
from pluralism_local.history import History
from tests.support.results import result, talk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with History(Path(sys.argv[1])) as history:
    id = talk(history, result("Small?", "Small."))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        talk(history, result("Large?", "Large. " * 100_000))
    except InvalidInput as error:
        print(error.message, error.hint)
    print([turn.answer for turn in history.get(id).turns])
"""


def trouble(path: Path) -> PlocalError:
    with pytest.raises(InvalidInput) as caught, History(path) as history:
        history.all()
    assert caught.value.hint and str(path) in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "content", [b"hello", b"hello " * 5000, b"\0" * 5000, b"SQLite format 3\0 and no more"]
)
def test_what_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    found = trouble(path)
    assert "is no history of plocal" in found.message and f"mv '{path}'" in found.hint
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_history(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with History(path) as history:
        assert history.list() == []


def test_a_damaged_file_says_how_to_go_on(path: Path) -> None:
    with History(path) as history:
        for number in range(30):
            talk(history, result(f"Question {number}?", "A long answer. " * 200))
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    found = trouble(path)
    assert "is damaged" in found.message and ".recover" in found.hint


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)
    assert "is no history" in trouble(path).message


def test_a_file_where_its_folder_should_be(path: Path) -> None:
    path.parent.write_text("in the way")
    found = trouble(path)
    assert "cannot be used" in found.message and "PLOCAL_HOME" in found.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_cannot_be_written(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    assert "--no-log" in trouble(path).hint


def test_a_full_disk_is_told_and_loses_nothing_older(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=120,
    )
    told, answers = done.stdout.splitlines()
    assert told.startswith(f"The history {path} cannot be written: ") and "Free some space" in told
    assert answers == "['Small.']"


def test_held_by_another_for_too_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with History(path) as history:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InvalidInput, match="held by another process"):
            history.begin("x")
        assert history.list() == []  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        history.begin("x")


def test_threads_share_it(history: History) -> None:
    def write(name: str) -> None:
        for number in range(10):
            talk(history, result(f"{name} {number}?"))
            history.list(name)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert history.counts().turns == 30
