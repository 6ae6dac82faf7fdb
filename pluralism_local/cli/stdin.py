"""Where the question comes from: stdin, the PROMPT argument, or both (stdin first, then a blank line).

The rule, which never hangs on a stdin that nobody closes and never drops text silently:

    a terminal, closed, or /dev/null        not read
    --no-stdin                              not read
    --stdin, or no PROMPT given             read to its end, however long that takes
    PROMPT given, stdin is a file           read to its end
    PROMPT given, stdin is a pipe           read to its end if a first byte or the end comes within `PATIENCE`
                                            seconds; otherwise left alone, with a warning

Bytes must be UTF-8 without NUL; at most `LIMIT` of them.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable
from typing import TextIO

from pluralism_local.errors import InvalidInput

PATIENCE = 1.0
LIMIT = 16 * 1024 * 1024
_EXAMPLE = 'plocal ask "Should phones be banned in schools?"'


def read_prompt(
    argument: str | None,
    stdin: TextIO | None,
    *,
    wait: bool | None = None,
    warn: Callable[[str], None],
    patience: float = PATIENCE,
    example: str = _EXAMPLE,
) -> str:
    """The question, never blank.

    Args:
        wait: True reads stdin to its end, False never reads it, None follows the rule above.
        warn: told when a silent pipe is left alone.
        example: a command that gives what is missing, for the hint.

    Raises:
        InvalidInput: no question at all, or one that is no text.
    """
    usage = f"Give it as an argument, {example}, or through a pipe."
    if argument is not None:
        argument = _text(argument.encode(), "The PROMPT argument")
    piped = None
    pipe = None if wait is False or stdin is None or _is_terminal(stdin) else stdin
    if pipe is not None and (wait or argument is None or _ready(pipe, patience, warn)):
        piped = _read(pipe, needed=argument is None, usage=usage)
    parts = [part.strip("\r\n") for part in (piped, argument) if part is not None and part.strip()]
    if parts:
        return "\n\n".join(parts)
    raise InvalidInput(_nothing(argument, piped, stdin), usage)


def _nothing(argument: str | None, piped: str | None, stdin: TextIO | None) -> str:
    if argument is not None:
        return "The question is empty."
    if piped is not None:
        return "There is no question: standard input is empty."
    if stdin is None or stdin.closed:
        return "There is no question: no PROMPT, and standard input is closed."
    return "There is no question."


def _ready(stdin: TextIO, patience: float, warn: Callable[[str], None]) -> bool:
    """Whether stdin can be read to its end beside a PROMPT without risking to wait forever."""
    try:
        descriptor = stdin.fileno()
        kind = os.fstat(descriptor).st_mode
    except (OSError, ValueError):  # no descriptor behind it: text in memory, which cannot block
        return not stdin.closed
    if stat.S_ISREG(kind):
        return True
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return False
    if select.select([descriptor], [], [], patience)[0]:
        return True
    warn(
        f"Nothing came through standard input within {patience:g} s, so it was left alone; "
        "--stdin waits for it, --no-stdin does not look."
    )
    return False


def _read(stdin: TextIO, *, needed: bool, usage: str) -> str | None:
    """All of stdin as text; None if it cannot be read and is not `needed`."""
    try:
        buffer = getattr(stdin, "buffer", None)
        data = stdin.read(LIMIT + 1).encode() if buffer is None else buffer.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        if needed:
            raise InvalidInput("There is no question: standard input cannot be read.", usage) from error
        return None
    if len(data) > LIMIT:
        raise InvalidInput(
            f"Standard input is longer than {LIMIT // 1024 // 1024} MiB.",
            "No model reads that much at once; give it a part.",
        )
    return _text(data, "Standard input")


def _text(data: bytes, what: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{what} is not UTF-8 text (byte {error.start}).",
            "Convert it first, e.g. with iconv; a PDF or an image is no text.",
        ) from error
    if "\0" in text:
        raise InvalidInput(f"{what} is binary: it contains NUL bytes.", "Give plain text.")
    return text


def _is_terminal(stdin: TextIO) -> bool:
    try:
        return stdin.isatty()
    except ValueError:
        return False
