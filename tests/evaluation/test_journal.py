"""Batches are there whole or not at all, whatever happens to the file."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import Refused
from pluralism_local.evaluation import journal as module
from pluralism_local.evaluation.journal import Journal, locked, read_journal

BATCHES: list[list[dict[str, object]]] = [
    [{"a": 1}, {"a": 2}],
    [{"b": "é\u2028x"}],
    [{"c": [1, None]}, {"c": 2}, {"c": 3}],
]


def written(path: Path) -> bytes:
    with Journal(path) as journal:
        for batch in BATCHES:
            journal.append(batch)
        journal.append([])
    return path.read_bytes()


@given(st.data())
def test_a_kill_at_any_byte_leaves_whole_batches(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    whole = written(path)
    length = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:length])
    ends = [0]
    for batch in BATCHES:
        lines = whole[ends[-1] :].splitlines(keepends=True)[: len(batch)]
        ends.append(ends[-1] + sum(map(len, lines)))
    kept = max(i for i, end in enumerate(ends) if end <= length)
    expected = [record for batch in BATCHES[:kept] for record in batch]
    assert read_journal(path) == expected and path.read_bytes() == whole[:length]
    with Journal(path) as journal:
        assert journal.records == expected and journal.cut == length - ends[kept]
        for batch in BATCHES[kept:]:
            journal.append(batch)
    assert path.read_bytes() == whole


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    lines = written(path).splitlines(keepends=True)
    for number, broken in ((1, b"{oops\n"), (2, lines[0]), (3, b'{"b": 1}\n')):
        path.write_bytes(b"".join([*lines[: number - 1], broken, *lines[number:]]))
        before = path.read_bytes()
        with pytest.raises(Refused, match=f"line {number} is damaged"):
            Journal(path)
        with pytest.raises(Refused):
            read_journal(path)
        assert path.read_bytes() == before


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append([{"a": 1}])
        before = path.read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(module, "_sync", full)
        with pytest.raises(OSError, match="No space"):
            journal.append([{"a": 2}, {"a": 3}])
        assert path.read_bytes() == before and journal.records == [{"a": 1}]
        monkeypatch.undo()
        journal.append([{"a": 4}])
    assert read_journal(path) == [{"a": 1}, {"a": 4}]


def test_nan_is_a_bug_and_writes_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal, pytest.raises(ValueError, match="JSON"):
        journal.append([{"a": float("nan")}])
    assert (tmp_path / "j.jsonl").read_bytes() == b""


def test_missing_files_are_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none.jsonl") == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from pluralism_local.evaluation.journal import locked\n"
        "from pluralism_local.errors import Refused\n"
        "try:\n"
        "    with locked(pathlib.Path(sys.argv[1])):\n"
        "        print('in')\n"
        "except Refused as error:\n"
        "    print(error.message)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    with locked(tmp_path):
        assert other() == f"Another process is writing {tmp_path}.\n"
    assert other() == "in\n"


def test_the_line_format_is_plain_json(tmp_path: Path) -> None:
    lines = written(tmp_path / "j.jsonl").decode().split("\n")
    assert json.loads(lines[1]) == {"a": 2, "batch": [0, 1, 2]}
