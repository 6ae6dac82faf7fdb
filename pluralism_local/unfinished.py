"""Files on their way to their place: written beside it, and told from what a dead process left behind.

    path ──beside──> .NAME.TOKEN.part, locked until it is moved to `path` or thrown away
    folder ──sweep──> the .part files that nobody holds are removed: their writers were killed
    discard_all() ──> this process's own are removed, before it ends without unwinding

Where the file system has no locks, a .part file counts as left behind when nothing was written to it for an hour.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pluralism_local.liveness import try_lock

ABANDONED_SECONDS = 3600.0
"""Age of a file that nobody is writing any more, where no lock can tell."""

_NAME_LENGTH = 50  # characters of the file's own name in the name beside it, which may have 255 bytes
_FORM = re.compile(r"\.(?P<name>.*)\.[0-9a-f]{32}\.part", re.DOTALL)
_own: set[Path] = set()


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """An empty file in the folder of `path`, to be written by its name and moved there; gone after the block else.

    It has the permissions of any other new file. Writers that open it anew, as other programs do, keep its lock.

    Raises: OSError if it cannot be made.
    """
    temporary, file = _make(path)
    _own.add(temporary)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        _own.discard(temporary)
        file.close()


def _make(path: Path) -> tuple[Path, IO[bytes]]:
    while True:
        temporary = path.parent / f".{path.name[:_NAME_LENGTH]}.{uuid.uuid4().hex}.part"
        file = temporary.open("xb")
        try:
            locked = try_lock(file)
        except OSError:  # a file system without locks
            locked = True
        if locked and temporary.exists():
            return temporary, file
        file.close()  # somebody took it for one left behind in the moment before it was locked


def sweep(folder: Path, name: str | None = None) -> int:
    """Remove what dead processes left in `folder`, of the file `name` or of all; how many files that were."""
    beginning = None if name is None else name[:_NAME_LENGTH]
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:  # no such folder, or not ours to read
        return 0
    forms = [form for name in names if (form := _FORM.fullmatch(name)) is not None]
    return sum(_remove(folder / form[0]) for form in forms if beginning in (None, form["name"]))


def _remove(path: Path) -> bool:
    """Remove the file, while its lock is held here, unless somebody is writing it; whether that was done."""
    try:
        with path.open("r+b") as file:
            try:
                abandoned = try_lock(file)
            except OSError:
                abandoned = time.time() - os.fstat(file.fileno()).st_mtime > ABANDONED_SECONDS
            if abandoned:
                path.unlink()
            return abandoned
    except OSError:  # gone meanwhile, or not ours
        return False


def discard_all() -> None:
    """Remove what this process is writing; safe in a signal handler."""
    for path in tuple(_own):
        with suppress(OSError):
            path.unlink(missing_ok=True)
