"""Versions of the file: brought up to date after a backup, newer ones left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.history import History, migrations
from pluralism_local.history.migrations import APPLICATION_ID, MIGRATIONS, backup_path, migrate
from tests.support.results import result, talk

NEXT = ("ALTER TABLE turn ADD COLUMN rating INTEGER", "UPDATE turn SET rating = 5")
BROKEN = ("ALTER TABLE turn ADD COLUMN stars INTEGER", "INSERT INTO missing VALUES (1)")


def open_plain(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(path, isolation_level=None))


def pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def test_a_new_file_is_of_the_newest_version_and_needs_no_backup(history: History, path: Path) -> None:
    talk(history, result())
    with open_plain(path) as connection:
        assert pragma(connection, "user_version") == len(MIGRATIONS)
        assert pragma(connection, "application_id") == APPLICATION_ID
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not list(path.parent.glob("*.backup"))


def test_an_older_file_is_backed_up_and_then_changed(path: Path) -> None:
    with History(path) as history:
        id = talk(history, result())
        with open_plain(path) as connection:  # while another still has it open, and the log is not empty
            migrate(connection, path, (*MIGRATIONS, NEXT))
            assert pragma(connection, "user_version") == len(MIGRATIONS) + 1
            assert connection.execute("SELECT rating FROM turn").fetchall() == [(5,)]
            migrate(connection, path, (*MIGRATIONS, NEXT))  # nothing left to do
    backup = backup_path(path, len(MIGRATIONS))
    assert backup.stat().st_mode & 0o077 == 0
    assert [file.name for file in path.parent.iterdir() if "backup" in file.name] == [backup.name]
    with History(backup) as old:
        assert old.get(id).turns[0].answer == "Some say yes."


def test_a_step_that_fails_leaves_the_old_version(path: Path) -> None:
    with History(path) as history:
        id = talk(history, result())
    with open_plain(path) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            migrate(connection, path, (*MIGRATIONS, NEXT, BROKEN))
        assert pragma(connection, "user_version") == len(MIGRATIONS)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(turn)")]
    assert "rating" not in columns and "stars" not in columns
    assert backup_path(path, len(MIGRATIONS)).exists()
    with History(path) as history:
        assert len(history.get(id).turns) == 1


def test_without_a_backup_nothing_is_changed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with History(path) as history:
        talk(history, result())

    def full(path: Path, version: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(migrations, "back_up", full)
    with open_plain(path) as connection:
        with pytest.raises(OSError, match="No space"):
            migrate(connection, path, (*MIGRATIONS, NEXT))
        assert pragma(connection, "user_version") == len(MIGRATIONS)


def test_a_newer_version_is_refused_and_left_untouched(path: Path) -> None:
    with History(path) as history:
        talk(history, result())
    with open_plain(path) as connection:
        migrate(connection, path, (*MIGRATIONS, NEXT))
    backup_path(path, len(MIGRATIONS)).unlink()
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    with pytest.raises(Refused, match="newer plocal: it is of version 2, this one knows 1") as refused:
        History(path)
    assert "Update plocal" in refused.value.hint
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()} == before


def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with open_plain(path) as connection:
        connection.execute("CREATE TABLE turn (theirs)")
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="is no history of plocal"):
        History(path)
    with open_plain(path) as connection:
        connection.execute("DROP TABLE turn")
        connection.execute("PRAGMA application_id = 1")
    with pytest.raises(InvalidInput, match="is no history of plocal"):
        History(path)
    assert len(before) == 8192 and not path.with_name("logs.db-wal").exists()
