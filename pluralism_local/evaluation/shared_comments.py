"""Comments that any run finds, wherever its folder lies: a database in the data folder, asked by a comment's key.

    CommentStore ──find(keys)──> records that other runs generated ──> the run's own journal
                 ──add(records)──> for the runs to come

A key is a digest of all that a comment depends on (see `comments`): the same question to the same file with the same
seed. A model without a file, on a server, may be another one tomorrow, and its comments are not shared. The database
is a help and never needed: each run's own journal is whole. Where it cannot be read or written (a full disk, a damaged
file, another process that keeps it locked), that is said once and the run goes on without. Several processes may use it
at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.journal import Record
from pluralism_local.evaluation.stored import StoredComment
from pluralism_local.evaluation.strict_records import check

COMMENTS_FILE = "comments.sqlite"

_PATIENCE = 20.0  # seconds for a process that writes a batch
_AT_ONCE = 500  # keys of a question; SQLite's old limit is 999
_TABLE = "CREATE TABLE IF NOT EXISTS comments (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"
_Found = TypeVar("_Found")


class SharedComments:
    """The database of one data folder.

    Args:
        file: made when the first comment is added.
        warn: told once why nothing is found or added, if so.
    """

    def __init__(self, file: Path, warn: Callable[[str], None] = lambda _: None) -> None:
        self._file, self._warn = file, warn
        self._usable = True

    def find(self, keys: Sequence[str]) -> dict[str, Record]:
        """The records of those keys that are there, without failures and without records of another form."""
        if not keys or not self._file.exists():
            return {}

        def ask(base: sqlite3.Connection) -> list[tuple[str, str]]:
            rows: list[tuple[str, str]] = []
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                places = ",".join("?" * len(part))
                rows += base.execute(f"SELECT key, record FROM comments WHERE key IN ({places})", part)
            return rows

        rows: list[tuple[str, str]] = self._use(ask, [])
        records = {key: _record(key, text) for key, text in rows}
        return {key: record for key, record in records.items() if record is not None}

    def add(self, records: Sequence[Record]) -> None:
        """Leave comments for other runs; failures are no comments, and what is there stays."""
        rows = [
            (record["key"], json.dumps(record, ensure_ascii=True))
            for record in records
            if "error" not in record
        ]
        if not rows:
            return

        def write(base: sqlite3.Connection) -> None:
            base.execute(_TABLE)
            base.executemany("INSERT OR IGNORE INTO comments VALUES (?, ?)", rows)

        self._use(write, None)

    def _use(self, work: Callable[[sqlite3.Connection], _Found], otherwise: _Found) -> _Found:
        """What `work` returns, in a transaction; `otherwise` where the database cannot be used."""
        if not self._usable:
            return otherwise
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=_PATIENCE)) as base, base:
                return work(base)
        except (sqlite3.Error, OSError) as error:
            self._usable = False
            self._warn(
                f"Comments are not shared with other runs, since {self._file} cannot be used ({error}). "
                "If it is damaged, delete it."
            )
            return otherwise


def _record(key: str, text: str) -> Record | None:
    try:
        record = json.loads(text)
        check(StoredComment, record, "")
    except (ValueError, RecursionError, TypeError, InvalidInput):
        return None
    return record if record["key"] == key and "error" not in record else None
