"""The one object that writes. Commands never print; they hand values to an `Output`.

    answers, tables, JSON ──> stdout          progress, notes, warnings, errors, usage ──> stderr

Colour only on a terminal without NO_COLOR; a carriage return only on a terminal's stderr. Control characters
in texts of models and cards never reach a terminal. A reader that went away raises `ReaderGone`. Where stdout
takes no more (a full disk), the work goes on: all that the command has to say there, from its beginning, goes to
stderr, and `main` tells of it at the end. Trouble with stderr is ignored: there is nowhere left to report it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TextIO

from pluralism_local.cli.exits import ExitCode, Failure, ReaderGone
from pluralism_local.display.figures import cells, clean, flat, one_line, padded
from pluralism_local.errors import InvalidInput

Format = Literal["text", "md", "json", "jsonl"]


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Aligned plain text: two spaces between columns, no trailing blanks; the head alone without rows."""
    lined = [[one_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(cells(row[i]) for row in lined) for i in range(len(head))]
    lines = ("  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in lined)
    return "\n".join(line.rstrip() for line in lines)


class Output:
    """Standard output and standard error with the rules above.

    Attributes:
        format: what stdout carries; commands with a `--json` of their own set it to ``"json"``.
        exit: what `main` returns when nothing is raised; a command lowers or raises it, e.g. to PARTIAL.
        trouble: why stdout takes no more, as a clause; "" while it does.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str] | None = None) -> None:
        self._out = stdout
        self._err = stderr
        env = os.environ if environ is None else environ
        colour = not env.get("NO_COLOR") and env.get("TERM") != "dumb"
        self._terminal = _is_terminal(stdout)
        self._colour = colour and self._terminal
        self.interactive = _is_terminal(stderr)
        self._within_line = False
        self.format: Format = "text"
        self.exit = ExitCode.DONE
        self.trouble = ""
        self._so_far: list[str] = []
        self._is_mid_line = False
        self._status_width = 0
        self._said = set[str]()

    @property
    def unicode(self) -> bool:
        """Whether stdout can show block characters and dashes."""
        return "utf" in (getattr(self._out, "encoding", None) or "").lower().replace("-", "")

    @property
    def columns(self) -> int | None:
        """How many columns the terminal has that stdout is; None where it is none, or does not say."""
        try:
            return os.get_terminal_size(self._out.fileno()).columns or None if self._terminal else None
        except (OSError, ValueError):
            return None

    def bold(self, text: str) -> str:
        """`text`, bold where colour is allowed."""
        return f"\x1b[1m{text}\x1b[0m" if self._colour else text

    def dim(self, text: str) -> str:
        """`text`, dim where colour is allowed."""
        return f"\x1b[2m{text}\x1b[0m" if self._colour else text

    def write(self, text: str) -> None:
        """Put `text` on stdout as it is and flush, so that a reader sees it as it comes.

        Raises: ReaderGone: the pipe is closed.
        """
        self.clear_status()
        self._so_far.append(text)
        if self.trouble:
            self._tell(text)
            return
        try:
            self._out.write(self._encodable(text))
            self._out.flush()
            self._within_line = self._within_line if not text else not text.endswith("\n")
        except BrokenPipeError:
            raise ReaderGone from None
        except (OSError, ValueError) as error:
            self.trouble = (getattr(error, "strerror", None) or str(error)).rstrip(".")
            self._tell("".join(self._so_far))

    def line(self, text: str = "") -> None:
        """One or several whole lines on stdout."""
        self.write(f"{text}\n")

    def json(self, value: object, *, compact: bool = False) -> None:
        """One JSON value on stdout: indented, or on one line when `compact`."""
        from json import dumps

        indent = None if compact else 2
        self.line(dumps(value, ensure_ascii=not self.unicode, allow_nan=False, indent=indent))

    def deliver(self, text: str, place: str) -> Path | None:
        """Put `text` where the user wants it: on stdout for ``-``, else into the file, whose path is returned.

        Raises: InvalidInput where that is no place to write; see `output_file`.
        """
        if place == "-":
            self.write(text)
            return None
        from pluralism_local.output_file import write_output

        try:
            file = Path(place).expanduser()
        except RuntimeError:  # ~ of nobody
            raise InvalidInput(f"There is no home folder for '{place}'.", "Give the whole path.") from None
        write_output(file, text)
        return file

    def show(self, value: object, text: str) -> None:
        """The same thing for programs (`value`, when JSON is asked for) or for people (`text`)."""
        if self.format in ("json", "jsonl"):
            self.json(value, compact=self.format == "jsonl")
        else:
            self.line(text)

    def note(self, text: str) -> None:
        """A whole line on stderr; on a terminal not behind what stdout has begun there."""
        self._end_line()
        self.clear_status()
        begun = "\n" if self._is_mid_line else ""
        self._tell(f"{begun}{clean(text)}\n")

    def note_once(self, text: str) -> None:
        """A line on stderr that a command says only once, however often it comes to it."""
        if text not in self._said:
            self._said.add(text)
            self.note(text)

    def warn(self, text: str) -> None:
        """A warning on stderr."""
        self.note(f"Warning: {text}")

    def fail(self, failure: Failure) -> None:
        """An error: on stdout as an object when JSON is asked for, else on stderr."""
        if self.format in ("json", "jsonl"):
            self.json(failure.record(), compact=self.format == "jsonl")
            return
        self.note(f"Error: {failure.message}")
        if failure.hint:
            self.note(f"  {failure.hint}")

    def status(self, text: str) -> None:
        """Overwrite the one line of progress; does nothing unless stderr is a terminal."""
        if not self.interactive:
            return
        line = clean(text)[: _columns() - 1]
        self._tell(f"\r{line.ljust(self._status_width)}")
        self._status_width = len(line)

    def clear_status(self) -> None:
        """Take the line of progress away."""
        if self._status_width:
            self._tell(f"\r{' ' * self._status_width}\r")
            self._status_width = 0

    def _end_line(self) -> None:
        """End what stdout has begun, where stderr is the same screen; the next writer tells of trouble with it."""
        if self._within_line and self._terminal and self.interactive:
            self._within_line = False
            with suppress(OSError, ValueError):
                self._out.write("\n")
                self._out.flush()

    def _encodable(self, text: str) -> str:
        """`text` with what stdout's encoding lacks replaced: a legacy locale never loses an answer."""
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        return text.encode(encoding, "replace").decode(encoding)

    def _tell(self, text: str) -> None:
        try:
            encoding = getattr(self._err, "encoding", None) or "utf-8"
            self._err.write(text.encode(encoding, "replace").decode(encoding))
            self._err.flush()
            if text and self.trouble:
                self._is_mid_line = not text.endswith(("\n", "\r"))
        except (OSError, ValueError):
            return


def key_values(pairs: Sequence[tuple[str, Any]]) -> str:
    """Lines of ``name  value`` with the values aligned; None is left out."""
    present = [(name, str(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in present), default=0)
    return "\n".join(f"{name.ljust(width)}  {flat(value)}".rstrip() for name, value in present)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
