"""One writer at a time of a file that is read, changed and written again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0  # seconds; who has the lock writes a few lines


@contextmanager
def only_writer(file: Path) -> Iterator[None]:
    """Wait until nobody else changes `file`, and keep others waiting while the block runs.

    The lock is a hidden, empty file beside it, which stays. Makes the folder.

    Raises:
        OSError: the folder cannot be written, or somebody has kept the lock for 20 seconds.
    """
    from filelock import FileLock

    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock"), timeout=PATIENCE):
        yield
