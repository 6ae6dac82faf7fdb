"""An append-only file of records, written in batches that are there whole or not at all.

    records ──append(batch)──> lines with "batch": [number, place, size] ──fsync──> durable
    file ──open──> records of whole batches; a torn last batch is cut off and said

A batch is what was computed together. Since the composition of a batch changes a model's numbers by rounding, a batch
that a kill cut short is computed again as a whole, and the file ends up as if nothing had happened. Damage anywhere but
at the end is no torn write: it is `Refused`, with the line. A full disk leaves the file as it was before the batch.
One writer at a time: of a file, who opens it first (`Journal`); of a folder, who says so (`locked`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pluralism_local.errors import Refused
from pluralism_local.locks import lock_of, take

Record = dict[str, Any]


class Journal:
    """Read when opened, appended to afterwards; use it as a context manager.

    Attributes:
        records: of all whole batches, in order, without their "batch" entry.
        cut: bytes of a torn batch that were taken away at opening.

    Raises:
        Refused: a line before the end is damaged, or another process is writing the file.
        OSError: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with ExitStack() as opened:
            lock = take(lock_of(path))
            if lock is None:
                raise Refused(
                    f"Another process is writing {path}.", "Wait for it, then run the command again."
                )
            opened.callback(lock.release)
            self._file = opened.enter_context(path.open("a+b"))
            self._file.seek(0)
            content = self._file.read()
            self.records, whole, self._batches = _whole_batches(content, path)
            self.cut = len(content) - whole
            if self.cut:
                self._file.truncate(whole)
                _sync(self._file.fileno())
            self._size = whole
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._opened.close()

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write a batch; when this returns it survives a kill and a power cut.

        Raises:
            ValueError: a value is NaN or cannot be JSON (a bug).
            OSError: no room; nothing of the batch is left in the file.
        """
        if not records:
            return
        lines = [
            json.dumps(
                {**record, "batch": [self._batches, place, len(records)]}, ensure_ascii=False, allow_nan=False
            )
            for place, record in enumerate(records)
        ]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
        try:
            self._file.write(data)
            self._file.flush()
            _sync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(data)
        self._batches += 1
        self.records.extend(dict(record) for record in records)


def read_journal(path: Path) -> list[Record]:
    """The records of whole batches, for readers: the file is left alone. Empty if it is not there.

    Raises:
        Refused: a line before the end is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return _whole_batches(content, path)[0]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer of `folder` while the block runs.

    Raises:
        Refused: another process is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = take(folder / ".lock")
    if lock is None:
        raise Refused(f"Another process is writing {folder}.", "Wait for it, or give another --output.")
    try:
        yield
    finally:
        lock.release()


def _whole_batches(content: bytes, path: Path) -> tuple[list[Record], int, int]:
    """(records, bytes they take, number of batches)."""
    records: list[Record] = []
    batch: list[Record] = []
    taken = position = batches = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        position += len(line)
        record = _record(line)
        place = None if record is None else record.pop("batch", None)
        if record is None or not _follows(place, batches, len(batch)):
            if number < len(lines) and position < len(content):
                raise Refused(
                    f"{path}, line {number} is damaged: it is no record of batch {batches}.",
                    "Restore the file, or cut it off before that line and run the same command again.",
                )
            break
        batch.append(record)
        if place is not None and len(batch) == place[2]:
            records += batch
            batch, taken, batches = [], position, batches + 1
    return records, taken, batches


def _record(line: bytes) -> Record | None:
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _follows(place: object, batch: int, count: int) -> bool:
    """Whether `place` is [batch, count, size] with count < size."""
    return (
        isinstance(place, list)
        and len(place) == 3
        and place[:2] == [batch, count]
        and isinstance(place[2], int)
        and count < place[2]
    )


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)
