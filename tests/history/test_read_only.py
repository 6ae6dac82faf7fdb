"""A history where nothing can be written is read as it is, with what a crash left in its log."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.history import History, database, migrations
from tests.support.results import result, talk

ROOT = Path(__file__).parents[2]


MOUNTED = (
    "unshare",
    "-m",
    "sh",
    "-c",
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
)
"""Runs a command with the folder that comes first on a file system of its own, for reading only."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "data").mkdir(parents=True)
    if os.geteuid() == 0 and subprocess.run([*MOUNTED, folder, "true"], check=False).returncode:
        pytest.skip("the superuser may write everywhere, and cannot mount here")
    return folder


def on_read_only_disk(home: Path, *line: str) -> subprocess.CompletedProcess[str]:
    """Run plocal where nothing can be written into `home`."""
    before = (*MOUNTED, str(home)) if os.geteuid() == 0 else ()
    environ = {**os.environ, "PLOCAL_HOME": str(home)}
    home.chmod(0o555)
    (home / "data").chmod(0o555)
    try:
        return subprocess.run(
            [*before, sys.executable, "-m", "pluralism_local", *line],
            capture_output=True, text=True, check=False, timeout=120, cwd=ROOT, env=environ,
        )  # fmt: skip
    finally:
        home.chmod(0o755)
        (home / "data").chmod(0o755)


@pytest.mark.parametrize("crashed", [False, True])
def test_every_reading_command_works(home: Path, crashed: bool) -> None:
    path = home / "data" / "logs.db"
    with History(path) as history:
        id = talk(history, result("First?"), result("Second?"))
        if crashed:  # the last turns are in the write-ahead log only
            for name in ("logs.db", "logs.db-wal"):
                shutil.copyfile(path.with_name(name), home / name)
    if crashed:
        for name in ("logs.db", "logs.db-wal"):
            shutil.move(home / name, path.with_name(name))
        assert path.with_name("logs.db-wal").stat().st_size
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*")}
    for line in (("ls",), ("show", "last"), ("search", "second"), ("export", "--all"), ("status",)):
        ran = on_read_only_disk(home, "logs", *line)
        assert ran.returncode == 0 and "Error" not in ran.stderr, ran.stderr
        assert id in ran.stdout or line[0] == "status"
    assert "Second?" in on_read_only_disk(home, "logs", "show", id).stdout
    told = on_read_only_disk(home, "logs", "rename", id, "Another")
    assert told.returncode == 2 and "cannot be written" in told.stderr
    asked = on_read_only_disk(home, "ask", "-m", "scripted:", "--mode", "vanilla", "-c", "Third?")
    assert asked.returncode == 0 and "was not logged" in asked.stderr
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*")} == before


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> sqlite3.Connection:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(database, "_connect", refuse)


@pytest.mark.usefixtures("unwritable")
def test_versions_and_strangers_are_told_there_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine(x)")
    connection.commit()
    with pytest.raises(InvalidInput, match="is no history"):
        History(path)
    connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    with pytest.raises(Refused, match="newer plocal"):
        History(path)
    connection.execute("PRAGMA user_version = 0")
    connection.commit()
    connection.close()
    with pytest.raises(InvalidInput, match="older version") as caught:
        History(path)
    assert "Copy it" in caught.value.hint


@pytest.mark.usefixtures("unwritable")
def test_without_a_file_it_is_an_error(path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        History(path)


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "é b"])
def test_any_path_can_be_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name / "logs.db"
    with History(path) as history:
        talk(history, result("Kept?"))
    assert stat.S_ISREG(path.stat().st_mode)
    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", _cannot)
        with History(path) as history:
            assert [one.title for one in history.list()] == ["Kept?"]
            with pytest.raises(InvalidInput, match="cannot be written"):
                history.begin("x")


def _cannot(path: Path) -> sqlite3.Connection:
    error = sqlite3.OperationalError("attempt to write a readonly database")
    error.sqlite_errorcode = sqlite3.SQLITE_READONLY
    raise error
