"""llama.cpp's log on the disk: bounded, without debug lines, whole lines of several processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.engine import library, log_file
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.log_file import MOST_BYTES, LogFile
from tests.support.llama_requests import ask, texts

WRITE = """
import sys
from pathlib import Path
from pluralism_local.engine.log_file import LogFile
log = LogFile(Path(sys.argv[1]))
for number in range(20_000):
    log.write(f"{sys.argv[2] * 50} {number}\\n")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llama.log"


def test_lines_are_appended_and_the_file_is_opened_once(path: Path) -> None:
    path.write_text("before\n")
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else None
    log = LogFile(path)
    for number in range(100):
        log.write(f"{number}\n")
    if before is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    assert path.read_text().splitlines() == ["before", *map(str, range(100))]
    log.close()


def test_it_begins_anew_when_it_is_long(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("x" * (MOST_BYTES + 1))
    log = LogFile(path)
    log.write("new\n")
    assert path.read_text() == "new\n"
    monkeypatch.setattr(log_file, "MOST_BYTES", 100)
    for number in range(1000):
        log.write(f"{number}\n")
        assert path.stat().st_size <= 100 + 4
    assert path.read_text().endswith("998\n999\n")


def test_several_processes_keep_it_bounded_and_their_lines_whole(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, str(path), letter]) for letter in "abc"]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert path.stat().st_size <= MOST_BYTES + 1000
    for line in path.read_text().splitlines():
        word, number = line.split()
        assert word in ("a" * 50, "b" * 50, "c" * 50) and number.isdecimal()


def test_a_log_that_was_deleted_is_made_again(path: Path) -> None:
    log = LogFile(path)
    log.write("one\n")
    path.unlink()
    log.write("two\n")
    assert path.read_text() == "two\n"


@pytest.mark.parametrize("kind", ["pipe", "folder", "no folder"])
def test_what_cannot_be_a_log_stops_nothing(path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    log = LogFile(path if kind != "no folder" else path / "below")
    for _ in range(3):
        log.write("x\n")
    assert path.is_fifo() == (kind == "pipe") and path.is_dir() == (kind == "folder")


def test_an_answer_logs_little_and_no_debug_lines(starter_path: Path, path: Path) -> None:
    options = LlamaOptions(ctx_size=256, threads=1, lanes=1, log_file=path)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        texts(engine, [ask("Say hi.", tokens=8)])
    logged = path.read_text()
    assert "llama_model_loader" in logged and "graph_n_input_tensors" not in logged
    assert len(logged) < 60_000
    assert library._log is not None and not any("graph_n_input" in line for line in library._log.lines)
