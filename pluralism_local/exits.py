"""Exit codes, and the one table that leads from an exception to what the user is told.

exception ──> describe ──> Failure(exit, code, message, hint)

For every front end. What only a command line can raise is in `cli.exits`.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from enum import IntEnum

from pluralism_local import errors


class ExitCode(IntEnum):
    """What `plocal` and the recipes return to the shell."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    MISSING = 3
    REFUSED = 4
    REMOTE = 5
    PARTIAL = 6
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as shown: exit code, stable `code` for scripts, one sentence, and what to do next (or "")."""

    exit: ExitCode
    code: str
    message: str
    hint: str = ""

    def clean(self) -> Failure:
        """The same without the passwords of URLs."""
        from pluralism_local.remote_url import without_credentials

        return replace(self, message=without_credentials(self.message), hint=without_credentials(self.hint))

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
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLDER = frozenset({errno.EEXIST, errno.ENOTDIR})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def describe(error: BaseException) -> Failure:
    """What to tell the user about `error`, without the passwords of URLs; anything unknown is a bug and says so."""
    return _described(error).clean()


def _described(error: BaseException) -> Failure:
    if isinstance(error, errors.PlocalError):
        code = next((exit for kind, exit in _EXITS if isinstance(error, kind)), ExitCode.UNEXPECTED)
        return Failure(code, error.code, error.message, error.hint)
    if isinstance(error, (KeyboardInterrupt, EOFError)):
        return Failure(ExitCode.INTERRUPTED, "cancelled", "Stopped.")
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
