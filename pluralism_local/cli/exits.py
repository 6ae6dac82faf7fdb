"""Exit codes, and the one table that leads from an exception to what the user is told.

exception ──> describe ──> Failure(exit, code, message, hint) ──> stderr, or {"error": …} on stdout
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, TypeGuard

import typer
from typer.exceptions import TyperException

from pluralism_local import errors


class ExitCode(IntEnum):
    """What `plocal` returns to the shell."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    MISSING = 3
    REFUSED = 4
    REMOTE = 5
    PARTIAL = 6
    INTERRUPTED = 130


class ReaderGone(Exception):
    """Whoever read standard output has closed it; not an OSError, so that no library answers it first."""


class UnwritableOutput(Exception):
    """Standard output took no more bytes (full disk, closed descriptor). `cause` says why, without a full stop."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as shown: exit code, stable `code` for scripts, one sentence, and what to do next (or "")."""

    exit: ExitCode
    code: str
    message: str
    hint: str = ""

    def record(self) -> dict[str, dict[str, str]]:
        """The JSON object printed in place of a result."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


_EXITS: tuple[tuple[type[errors.PlocalError], ExitCode], ...] = (
    (errors.InvalidInput, ExitCode.USAGE),
    (errors.NotFound, ExitCode.MISSING),
    (errors.Refused, ExitCode.REFUSED),
    (errors.RemoteFailure, ExitCode.REMOTE),
    (errors.Cancelled, ExitCode.INTERRUPTED),
)
_LONG_OPTION = re.compile(r"--[a-z][a-z-]*")
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLDER = frozenset({errno.EEXIST, errno.ENOTDIR})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def describe(error: BaseException) -> Failure:
    """What to tell the user about `error`, without the passwords of URLs; anything unknown is a bug and says so."""
    from pluralism_local.remote_url import without_credentials

    found = _described(error)
    return replace(found, message=without_credentials(found.message), hint=without_credentials(found.hint))


def _described(error: BaseException) -> Failure:
    if isinstance(error, errors.PlocalError):
        code = next((exit for kind, exit in _EXITS if isinstance(error, kind)), ExitCode.UNEXPECTED)
        return Failure(code, error.code, error.message, error.hint)
    if isinstance(error, TyperException):
        return _usage(error)
    if isinstance(error, (KeyboardInterrupt, EOFError, typer.Abort)):
        return Failure(ExitCode.INTERRUPTED, "cancelled", "Stopped.")
    if isinstance(error, UnwritableOutput):
        hint = "All that belongs there is on standard error."
        return Failure(
            ExitCode.UNEXPECTED, "unwritable", f"Standard output cannot be written: {error.cause}.", hint
        )
    if isinstance(error, MemoryError):
        hint = "Take a smaller model or quantization, or a smaller --ctx-size."
        return Failure(ExitCode.UNEXPECTED, "out_of_memory", "There is not enough memory.", hint)
    if isinstance(error, OSError) and error.errno in _DISK_FULL | _NOT_ALLOWED:
        return _file_trouble(error)
    if isinstance(error, OSError) and error.errno in _NO_FOLDER | {errno.EISDIR} and error.filename:
        kind = "a folder" if error.errno == errno.EISDIR else "in the way: it is no folder"
        return Failure(ExitCode.USAGE, "usage", f"{error.filename} is {kind}.", "Give another path.")
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(
        ExitCode.UNEXPECTED,
        "unexpected",
        f"Something unexpected went wrong: {what}",
        "This is a bug. Run it again with PLOCAL_DEBUG=1 for the traceback, and report that.",
    )


def _usage(error: TyperException) -> Failure:
    """Typer's own complaint about the command line, with the nearest option as the hint."""
    near = getattr(error, "possibilities", None)
    message = error.message if near else error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "plocal"
    option = getattr(error, "option_name", None)
    if near:
        hint = f"Did you mean '{near[0]}'?"
    elif hasattr(error, "possibilities") and _may_be_text(option, context):
        hint = f"Put -- before a text that begins with a dash: {path} -- '{option.strip()} …'"
    else:
        hint = f"Run '{path} --help' for what it takes."
    message = message.replace("Value error, ", "", 1)  # pydantic's own words, by which Typer checks choices
    return Failure(ExitCode.USAGE, "usage", _one_line(message), hint)


def _may_be_text(option: Any, context: Any) -> TypeGuard[str]:
    """Whether what was taken for an option may be a text for this command, rather than a long option's name."""
    parameters = getattr(getattr(context, "command", None), "params", ())
    takes_text = any(parameter.param_type_name == "argument" for parameter in parameters)
    return takes_text and isinstance(option, str) and not _LONG_OPTION.fullmatch(option)


def _file_trouble(error: OSError) -> Failure:
    where = f" '{error.filename}'" if error.filename else ""
    if error.errno in _DISK_FULL:
        return Failure(
            ExitCode.UNEXPECTED,
            "disk_full",
            f"There is no room left to write{where}.",
            "Free some space, or set PLOCAL_HOME to a folder on another disk.",
        )
    return Failure(
        ExitCode.UNEXPECTED,
        "not_permitted",
        f"Access to{where or ' a file'} is not permitted: {error.strerror}.",
        "Change its permissions, or set PLOCAL_HOME to a folder you can write.",
    )


def _one_line(text: str) -> str:
    sentence = " ".join(text.split())
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."
