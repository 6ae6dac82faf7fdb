"""Where the question comes from, and that nothing hangs or is lost on the way."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from pluralism_local.cli.stdin import LIMIT, read_prompt
from pluralism_local.errors import InvalidInput
from tests.support.command_line import Run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def memory(data: bytes) -> TextIO:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")


@contextmanager
def pipe(data: bytes | None, *, closed: bool) -> Iterator[TextIO]:
    """A real pipe with `data` in it, whose writer is closed or stays open."""
    reader, writer = os.pipe()
    if data:
        os.write(writer, data)
    if closed:
        os.close(writer)
    with os.fdopen(reader) as stream:
        yield stream
    if not closed:
        os.close(writer)


def ask(argument: str | None, stdin: TextIO | None, wait: bool | None = None) -> str:
    """`read_prompt` that fails the test when it warns."""
    return read_prompt(argument, stdin, wait=wait, warn=pytest.fail, patience=0.05)


def test_stdin_first_then_the_argument() -> None:
    assert ask("What now?", memory(b"A story.\n")) == "A story.\n\nWhat now?"
    assert ask(None, memory(b"A story.\n")) == "A story."
    assert ask("What now?", memory(b" \n")) == "What now?"
    assert ask("What now?", Terminal("ignored")) == "What now?"
    assert ask("What now?", None) == "What now?"
    assert ask("What now?", memory(b"A story."), wait=False) == "What now?"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert ask(None, memory(b"\xef\xbb\xbfHello")) == "Hello"


def test_pipes_with_something_in_them_are_read_to_the_end(tmp_path: Path) -> None:
    with pipe(b"A story.", closed=True) as stdin:
        assert ask("What now?", stdin) == "A story.\n\nWhat now?"
    with pipe(None, closed=True) as stdin:
        assert ask("What now?", stdin) == "What now?"
    file = tmp_path / "story.txt"
    file.write_text("A story.")
    with file.open() as stdin:
        assert ask("What now?", stdin) == "A story.\n\nWhat now?"


def test_a_silent_pipe_is_left_alone_and_that_is_said() -> None:
    said: list[str] = []
    with pipe(None, closed=False) as stdin:
        started = time.monotonic()
        assert read_prompt("What now?", stdin, warn=said.append, patience=0.2) == "What now?"
        assert 0.15 < time.monotonic() - started < 60
    assert len(said) == 1 and "--stdin" in said[0]


def test_a_device_is_not_waited_for() -> None:
    with Path(os.devnull).open() as stdin:
        assert ask("What now?", stdin) == "What now?"


@pytest.mark.parametrize(
    ("argument", "data", "said"),
    [
        (None, b"", "standard input is empty"),
        (None, b" \n\t", "standard input is empty"),
        (None, b"\xff\xfe\x00a", "not UTF-8"),
        (None, b"a\0b", "NUL"),
        ("q", b"\x89PNG\r\n\x1a\n\0", "not UTF-8"),
        ("  ", b"", "The question is empty"),
        ("a\0b", b"", "The PROMPT argument is binary"),
        (None, b"x" * (LIMIT + 1), "longer than 16 MiB"),
    ],
)
def test_what_is_no_question(argument: str | None, data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        ask(argument, memory(data))


def test_no_question_at_all(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (Terminal(), None, io.StringIO("")):
        monkeypatch.setattr(sys, "stdin", stdin)
        ran = run("ask")
        assert ran.code == 2 and "There is no question" in ran.err
        assert 'plocal ask "Should phones be banned in schools?"' in ran.err
    closed = io.StringIO("")
    closed.close()
    monkeypatch.setattr(sys, "stdin", closed)
    assert run("ask").code == 2


def test_the_options_decide(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", memory(b"A story."))
    assert run("ask", "--json", "--no-stdin", "Why?").json()["prompt"] == "Why?"
    monkeypatch.setattr(sys, "stdin", memory(b"A story."))
    assert run("ask", "--json", "--stdin", "Why?").json()["prompt"] == "A story.\n\nWhy?"
