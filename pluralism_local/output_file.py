"""A text into the place that a user named: never in place of what is no regular file, and as a shell's ``>`` would.

    a new name, a regular file           ──> replaced whole: readers see the old one or the new one
    a file of several names (hard links), of another owner, or that cannot be moved (a mounted file)
                                         ──> written where it lies, so that it stays what it is
    /dev/stdout, /dev/fd/N               ──> written to that descriptor
    a device such as /dev/null, a pipe   ──> opened and written; a pipe that nobody reads is refused
    a folder, a disk, a socket, a file without permission to write, a link that leads nowhere ──> refused

A link is followed, and stays a link. Every failure is an InvalidInput with what to do next.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pluralism_local.errors import InvalidInput
from pluralism_local.files import kind_of, replace_whole

_ANOTHER = "Give another path."
_NOT_TO_BE_MOVED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})
_MOST_LINKS = 40


def write_output(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, which the user named; makes the folders above a new file.

    Raises:
        InvalidInput: as the module says, or the system refuses; a regular file is untouched then, unless it is one
            that had to be written where it lies.
    """
    try:
        content = text.encode("utf-8", "replace")
        descriptor = _descriptor(path)
        if descriptor is not None:
            _write_all(os.dup(descriptor), content)
        else:
            _write(path, content)
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInput(f"{path} cannot be written: {reason}.", _ANOTHER) from error


def _write(path: Path, content: bytes) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        _check_link(path)
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, content)
        return
    if not stat.S_ISREG(status.st_mode):
        _write_special(path, status.st_mode, content)
    elif not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise InvalidInput(f"{path} is read-only.", f"{_ANOTHER[:-1]}, or make it writable (chmod u+w).")
    elif status.st_nlink > 1 or not _is_own(status):
        _write_in_place(path, content)
    else:
        try:
            replace_whole(path, content)
        except OSError as error:
            if error.errno not in _NOT_TO_BE_MOVED:
                raise
            _write_in_place(path, content)


def _check_link(path: Path) -> None:
    """Raises: InvalidInput for a link into a folder that is not there, e.g. of a disk that is not mounted."""
    if path.is_symlink() and not path.resolve().parent.is_dir():
        raise InvalidInput(
            f"{path} is a link to {path.resolve()}, whose folder is not there.",
            "Make that folder, or unlink it.",
        )


def _is_own(status: os.stat_result) -> bool:
    """Whether a file made now would have the same owner."""
    geteuid = getattr(os, "geteuid", None)
    return geteuid is None or status.st_uid == geteuid()


def _write_in_place(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _write_special(path: Path, mode: int, content: bytes) -> None:
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise InvalidInput(f"{path} is {kind_of(mode)}, not a file.", _ANOTHER)
    try:  # without waiting, so that a pipe nobody reads is no endless wait
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(mode):
            raise InvalidInput(f"Nobody reads the pipe {path}.", "Start its reader first.") from error
        raise
    os.set_blocking(descriptor, True)
    _write_all(descriptor, content)


def _write_all(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _descriptor(path: Path) -> int | None:
    """The number of this process's open file that `path` names, by whatever links; else None.

    Where that file is regular, opening its path would begin it anew and lose what a shell appends to it.
    """
    for _ in range(_MOST_LINKS):
        folder = path.parent.resolve()
        of_process = folder.name == "fd" and folder.parts[1:3] == ("proc", str(os.getpid()))
        if (of_process or folder == Path("/dev/fd")) and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            return None
        path = folder / path.readlink()
    return None
