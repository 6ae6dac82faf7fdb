"""Prefixes on the disk: what is written is found again, and what is anything else is not there."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.engine.prefix_files import PrefixFiles, entries, is_whole

TOKENS = tuple(range(100, 140))
CELLS = bytes(range(256)) * 40

Damage = Callable[[Path], object]


def files(folder: Path, setup: str = "one", most: int = 10**9) -> PrefixFiles:
    return PrefixFiles(folder, setup, Path("/models/m.gguf"), most=most)


def keep(kept: PrefixFiles, tokens: tuple[int, ...] = TOKENS, cells: bytes = CELLS) -> None:
    kept.keep(tokens, cells)
    kept.close()


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_was_kept_is_found_by_these_tokens_and_this_setup_alone(tmp_path: Path) -> None:
    keep(files(tmp_path / "a" / "prefixes"))
    folder = tmp_path / "a" / "prefixes"
    assert files(folder).find(TOKENS) == CELLS
    assert files(folder).find(TOKENS[:-1]) is None
    assert files(folder).find((*TOKENS, 1)) is None
    assert files(folder, "two").find(TOKENS) is None
    (entry,) = entries(folder)
    assert (entry.tokens, entry.model, is_whole(entry.path)) == (40, "/models/m.gguf", True)


def test_files_are_the_users_alone_and_say_nothing_of_the_tokens(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        keep(files(tmp_path / "prefixes"))
    finally:
        os.umask(old)
    path = only(tmp_path / "prefixes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    line, cells = path.read_bytes().split(b"\n", 1)
    assert sorted(json.loads(line)) == ["model", "sha256", "tokens"] and cells == CELLS


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(path.read_bytes()[:-100] + b"\0" + path.read_bytes()[-99:]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(CELLS),
        lambda path: path.write_bytes(b"[" * 100_000 + b"\n" + CELLS),
        lambda path: path.write_bytes(b'"sha256"\n' + CELLS),
    ],
)
def test_a_file_that_is_not_what_was_written_is_thrown_away(tmp_path: Path, damage: Damage) -> None:
    keep(files(tmp_path))
    path = only(tmp_path)
    damage(path)
    assert not is_whole(path)
    assert files(tmp_path).find(TOKENS) is None
    assert not path.exists()
    keep(files(tmp_path))
    assert files(tmp_path).find(TOKENS) == CELLS


def test_the_file_of_other_tokens_does_not_serve_under_their_name(tmp_path: Path) -> None:
    keep(files(tmp_path))
    first = only(tmp_path)
    keep(files(tmp_path), TOKENS[:-1], CELLS[:-1])
    (second,) = set(tmp_path.iterdir()) - {first}
    first.replace(second)
    assert files(tmp_path).find(TOKENS[:-1]) is None


@pytest.mark.parametrize("what", ["folder", "link to nothing", "pipe"])
def test_what_is_no_file_is_not_there(tmp_path: Path, what: str) -> None:
    keep(files(tmp_path))
    path = only(tmp_path)
    path.unlink()
    if what == "folder":
        path.mkdir()
        (path / "x").touch()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "gone")
    kept = files(tmp_path)
    assert kept.find(TOKENS) is None
    assert entries(tmp_path) == []
    keep(kept)
    assert kept.find(TOKENS) == (None if what == "folder" else CELLS)


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "prefixes"):
        kept = files(folder)
        keep(kept)
        assert kept.find(TOKENS) is None and entries(folder) == []
    assert (tmp_path / "file").read_text() == "x"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        kept = files(tmp_path)
        keep(kept)
    assert list(tmp_path.iterdir()) == []
    keep(kept, TOKENS[:-1])  # not tried again by the same process
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    kept = files(tmp_path, most=3 * (len(CELLS) + 200))
    prompts = [(*TOKENS, number) for number in range(5)]
    for age, tokens in enumerate(prompts[:3]):
        before = set(tmp_path.iterdir())
        keep(kept, tokens)
        (path,) = set(tmp_path.iterdir()) - before
        os.utime(path, (1000 + age, 1000 + age))
    assert kept.find(prompts[0]) == CELLS  # now the latest
    keep(kept, prompts[3])
    assert [kept.find(tokens) is not None for tokens in prompts] == [True, False, True, True, False]


def test_cells_larger_than_the_folder_may_be_are_not_written(tmp_path: Path) -> None:
    keep(files(tmp_path, most=len(CELLS) - 1))
    assert list(tmp_path.glob("*")) == []


_WRITE = """
import sys
from pathlib import Path
from pluralism_local.engine.prefix_files import PrefixFiles
kept = PrefixFiles(Path(sys.argv[1]), "one", Path("/models/m.gguf"), most=30_000)
tokens, cells = tuple(range(100, 140)), bytes(range(256)) * 40
for number in range(60):
    kept.keep((*tokens, number % 4), cells)
    assert kept.find((*tokens, number % 3)) in (None, cells)
    if number % 10 == 0:
        kept.close()
kept.close()
"""


def test_several_processes_may_use_one_folder(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITE, str(tmp_path)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    keep(files(tmp_path, most=30_000), (*TOKENS, 9))  # whoever writes last sees everybody's
    assert sum(entry.file_bytes for entry in entries(tmp_path)) <= 30_000
    assert all(is_whole(entry.path) for entry in entries(tmp_path))
    assert all(path.suffix == ".cells" for path in tmp_path.iterdir())


def test_everything_is_thrown_away_together(tmp_path: Path) -> None:
    kept = files(tmp_path)
    kept.keep(TOKENS, CELLS)
    keep(files(tmp_path, "two"))
    kept.discard_all()
    assert list(tmp_path.iterdir()) == []
    keep(kept)
    assert kept.find(TOKENS) == CELLS
