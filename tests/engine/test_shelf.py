"""The shelf of files that can be made again: each is whole, and the least used go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pluralism_local.engine import shelf as shelf_module
from pluralism_local.engine.shelf import Shelf

MANY = """
import random, sys
from pathlib import Path
from pluralism_local.engine.shelf import Shelf
from pluralism_local.unfinished import beside
rng = random.Random(int(sys.argv[2]))

def write(out, content):
    with beside(out) as temporary:
        for _ in range(4):
            with temporary.open("ab") as file:
                file.write(content)
        temporary.replace(out)

for _ in range(50):
    number, shelf = rng.randrange(4), Shelf(Path(sys.argv[1]))
    key, content = f"{number:032x}", bytes([number]) * 20_000
    try:
        path = shelf.find(key) or shelf.add(key, {}, lambda out: write(out, content), 2)
        assert path.read_bytes() == content * 4
    except OSError:  # another has thrown it away already: the caller does without
        pass
"""

KEY = "0123456789abcdef" * 2
CONTENT = bytes(range(256)) * 64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


@pytest.fixture
def shelf(folder: Path) -> Shelf:
    return Shelf(folder)


@pytest.fixture
def path(shelf: Shelf) -> Path:
    return shelf.add(KEY, {"model": "m.gguf"}, lambda out: _put(out, CONTENT), 2)


def _put(out: Path, content: bytes) -> None:
    out.write_bytes(content)


def with_times_of(path: Path, content: bytes) -> None:
    """Change the content as a failing disk does: size and time stay."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(shelf_module, "_BOOT", boot)


def test_what_was_added_is_found(shelf: Shelf, path: Path, folder: Path) -> None:
    assert Shelf(folder).find(KEY) == path and path.read_bytes() == CONTENT
    (entry,) = shelf.entries()
    assert (entry.path, entry.file_bytes, entry.made_of) == (path, len(CONTENT), {"model": "m.gguf"})
    assert Shelf(folder / "gone").entries() == [] and Shelf(folder / "gone").find(KEY) is None


@pytest.mark.parametrize(
    "content", [CONTENT[:-1], CONTENT + b"x", b"", CONTENT[:100] + b"\0" + CONTENT[101:]]
)
def test_a_file_that_was_changed_is_thrown_away(
    shelf: Shelf, path: Path, folder: Path, content: bytes
) -> None:
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert shelf.find(KEY) is None and not list(folder.iterdir())


def test_a_change_that_leaves_no_trace_is_found_after_the_next_start(
    shelf: Shelf, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with_times_of(path, CONTENT[::-1])
    assert shelf.find(KEY) == path and shelf.check(path, whole=True) == "damaged"
    another_start(monkeypatch, tmp_path)
    assert shelf.find(KEY) is None and not path.exists()


def test_a_file_is_read_whole_once_after_a_start(
    shelf: Shelf, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reads: list[Path] = []
    whole = shelf_module._sha256

    def read(file: Path) -> str:
        reads.append(file)
        return whole(file)

    monkeypatch.setattr(shelf_module, "_sha256", read)
    assert shelf.find(KEY) == path and not reads
    another_start(monkeypatch, tmp_path)
    assert shelf.find(KEY) == path and shelf.find(KEY) == path and reads == [path]
    os.utime(path, ns=(5, 5))  # copied to another place and back
    assert shelf.find(KEY) == path and shelf.find(KEY) == path and len(reads) == 2


@pytest.mark.parametrize(
    "note", ["", "[]", "{", '{"sha256": 1}', '{"sha256": "", "bytes": "1", "mtime_ns": 1, "checked": ""}']
)
def test_a_file_without_a_usable_note_is_made_again(shelf: Shelf, path: Path, note: str) -> None:
    path.with_suffix(".json").write_text(note)
    assert shelf.entries()[0].sha256 is None
    assert shelf.find(KEY) is None and not path.exists()


def test_a_folder_that_can_only_be_read_serves(
    shelf: Shelf, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    another_start(monkeypatch, tmp_path)
    monkeypatch.setattr(shelf_module, "replace_whole", refuse)
    monkeypatch.setattr(os, "utime", refuse)
    assert shelf.find(KEY) == path


def test_the_least_used_go(shelf: Shelf, folder: Path) -> None:
    for number in range(3):
        path = shelf.add(f"{number:032x}", {}, lambda out: _put(out, b"x"), 3)
        os.utime(path.with_suffix(".json"), (number, number))
    assert shelf.find(f"{0:032x}") is not None  # used now
    shelf.add(f"{3:032x}", {}, lambda out: _put(out, b"x"), 3)
    assert [int(entry.path.stem, 16) for entry in shelf.entries()] == [0, 2, 3]
    assert len(list(folder.iterdir())) == 6


def test_nothing_stays_of_a_write_that_failed(shelf: Shelf, folder: Path) -> None:
    def fail(out: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        shelf.add(KEY, {}, fail, 2)
    assert not list(folder.iterdir())


def test_leftovers_go_also_those_of_earlier_versions(shelf: Shelf, path: Path, folder: Path) -> None:
    old, new = folder / f".{KEY}.gguf.a1b2_3d4", folder / f".{KEY}.gguf.zzzzzzzz"
    for file in (old, new, folder / f".{KEY}.gguf.{'0' * 32}.part", folder / "0.json", folder / "mine.txt"):
        file.touch()
    os.utime(old, (1, 1))
    assert shelf.tidy() == 3
    assert {file.name for file in folder.iterdir()} == {
        path.name, f"{KEY}.json", new.name, "mine.txt",
    }  # fmt: skip
    assert json.loads((folder / f"{KEY}.json").read_text())["made_of"] == {"model": "m.gguf"}


def test_several_processes_and_one_that_is_killed_never_see_half_a_file(folder: Path) -> None:
    command = [sys.executable, "-c", MANY, str(folder)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    while not folder.exists():
        assert writers[0].poll() is None
        time.sleep(0.01)
    writers[0].kill()
    assert [writer.wait(120) for writer in writers[1:]] == [0, 0, 0]
    writers[0].wait()
    Shelf(folder).tidy()
    assert {path.suffix for path in folder.iterdir()} == {".gguf", ".json"}
    assert not list(folder.glob(".*"))
