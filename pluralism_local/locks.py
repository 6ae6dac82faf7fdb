"""One writer at a time: of a file that is read, changed and written again, of a journal, of a run's folder.

    file ──only_writer──> waits for the others | OSError after 20 seconds
    lock ──take──> held until it is released or the process ends | None: another has it

Locks are `filelock`'s: of the system, on Windows too, in empty files that stay where they are. Locks that several may
share, and those of half-written files, are `liveness`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

PATIENCE = 20.0  # seconds; who has the lock writes a few lines


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Wait until nobody else changes `file`, and keep others waiting while the block runs. Makes the folder.

    Raises:
        OSError: the folder cannot be written, or somebody has kept the lock for 20 seconds.
    """
    from filelock import FileLock

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock_of(file), timeout=PATIENCE):
        yield


def lock_of(file: Path) -> Path:
    """The hidden file beside `file` that is locked in its place, so that readers of `file` are never shut out."""
    return file.with_name(f".{file.name}.lock")


def take(lock: Path) -> BaseFileLock | None:
    """Lock the file `lock` at once, and return what `release` ends; None if another has locked it, here or elsewhere.

    Raises:
        OSError: its folder is not there or cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=0, thread_local=False)  # whoever closes it may be another thread
    try:
        held.acquire()
    except Timeout:
        return None
    return held
