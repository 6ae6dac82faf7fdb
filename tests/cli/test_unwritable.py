"""Standard output that takes no more in the middle: the answer is whole, on standard error and in the history."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.cli.output import Output
from tests.cli.test_logs import kept
from tests.support.command_line import Run, plocal
from tests.support.scripts import script

ANSWER = " ".join(f"word{number}" for number in range(200))


class Full(io.StringIO):
    """Takes so many pieces, then is full."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def write(self, text: str) -> int:
        self.pieces -= 1
        if self.pieces < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


@pytest.mark.parametrize("pieces", [0, 1, 5, 60])
@pytest.mark.parametrize("format", ["text", "md", "jsonl"])
def test_the_whole_answer_is_on_stderr_and_in_the_history(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: int, format: str
) -> None:
    model = script(tmp_path, {"match": "Why", "text": ANSWER})
    full = Full(pieces)
    monkeypatch.setattr(sys, "stdout", full)
    ran = run("ask", "-m", model, "--mode", "vanilla", "--format", format, "Why?")
    assert ran.code == 1
    assert (
        ANSWER in ran.err if format != "jsonl" else json.loads(ran.err.split("\nError")[0].splitlines()[-1])
    )
    said, _, error = ran.err.rpartition("\nError: ")
    assert said and error.startswith("Standard output cannot be written: No space left on device.\n")
    assert ran.err.count("Error") == 1
    ((turn,),) = (one.turns for one in kept())
    assert turn.answer == ANSWER and turn.status == "done"


def test_a_closed_stdout_is_told_with_one_full_stop() -> None:
    command = f"{sys.executable} -m pluralism_local ask Why? >&-"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "\nError: Standard output cannot be written: " in ran.stderr
    assert ".." not in ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_error_in_json_reaches_stderr() -> None:
    with Path("/dev/full").open("wb") as full:
        process = plocal("ask", "--json", "-m", "gone.gguf", "Why?", stdout=full, stderr=subprocess.PIPE)
        said = process.communicate(timeout=120)[1].decode()
    record, _, error = said.partition("\nError: ")
    assert process.returncode == 3 and json.loads(record)["error"]["code"] == "not_found"
    assert error.startswith("Standard output cannot be written")


def test_notes_begin_their_own_line() -> None:
    err = io.StringIO()
    out = Output(Full(0), err, {})
    out.write("half a line")
    out.note("A note.")
    out.write("more")
    out.write("\n")
    out.note("Another.")
    assert (
        err.getvalue() == "half a line\nA note.\nmore\nAnother.\n"
        and out.trouble == "No space left on device"
    )
