"""The SQLite file: opened with its rules, one writer at a time, trouble told in sentences.

    path ──connect──> connection ──migrate──> WAL, synced at every commit, waits for others
     └── where nothing can be written ──> read only, as it is; what a crash left in its log is read from a copy
    writing() ── one transaction, kept or undone as a whole          reading() ── one snapshot
     └── the path leads to another file now ──> that is opened; the next writing() says so once

One connection serves all threads, one after the other. Nothing but SQLite may open the file: a process that
closes any descriptor of it loses the locks of all its connections. Failure modes:
    InvalidInput   no history at all, damaged, unwritable folder, full disk, held too long by another process
    Refused        of a newer version; nothing was written
    HistoryReplaced   the file was deleted or replaced since it was opened
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pluralism_local.errors import HistoryReplaced, InvalidInput, PlocalError
from pluralism_local.history.migrations import check_readable, foreign, migrate
from pluralism_local.history.search import contains

BUSY_SECONDS = 10.0
_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_NO_FILE = (-1, -1)
"""Identity of nothing, not even of a file that is not there."""

_ELSEWHERE = "Set PLOCAL_HOME to a folder that can be written, or ask with --no-log."


class Database:
    """The open file. `path` is where it lies; see the module for what happens when that is no longer it."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it with permissions for its owner alone.

        Raises: as the module says.
        """
        self.path = path
        self._turn = threading.RLock()
        self._is_replaced = False
        self._open()

    def _open(self) -> None:
        self._identity: tuple[int, int] | None = _NO_FILE
        self._is_read_only = False
        with translated(self.path):
            try:
                self._connection = _connect(self.path)
            except sqlite3.OperationalError as error:
                if _primary(error) not in _UNWRITABLE or not self.path.is_file():
                    raise
                self._connection = _connect_reading(self.path)
                self._is_read_only = True
            self._identity = _identity_of(self.path)

    def _follow(self) -> None:
        """Open what the path leads to now, where that is no longer what is open: a deleted file keeps nothing.

        Raises: as the module says; it is tried again at the next call.
        """
        if self._is_read_only or self._identity == _identity_of(self.path):
            return
        self._connection.close()
        self._open()
        self._is_replaced = True

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: kept when the block ends, undone when it raises.

        Raises: HistoryReplaced: once, when the file is another; nothing was written.
        """
        with self._turn, translated(self.path):
            self._follow()
            if self._is_replaced:
                self._is_replaced = False
                raise HistoryReplaced(
                    f"The history {self.path} was deleted or replaced while it was in use, and is begun anew.",
                    "What was asked before is no longer in it.",
                )
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite undoes it by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Everything read in the block is of one moment."""
        with self._turn, translated(self.path):
            self._follow()
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    def settle(self) -> None:
        """Bring the write-ahead log into the file and empty it, if nobody is reading."""
        with self._turn, translated(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file. Closing twice is fine; a closed one raises sqlite3.ProgrammingError."""
        with self._turn, contextlib.suppress(sqlite3.OperationalError):
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """The file, made if need be, brought up to date, and ready to be written.

    Raises: OSError, sqlite3.Error; Refused, InvalidInput: it is no history that this plocal can use.
    """
    _make(path)
    connection = _settings(
        sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted does not linger in the file
        connection.execute("PRAGMA synchronous = FULL")  # WAL alone may lose the last commits in a power cut
        migrate(connection, path)
        _use_wal(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reading(path: Path) -> sqlite3.Connection:
    """The file as it is, where nothing can be written.

    Raises: OSError, sqlite3.Error; Refused, InvalidInput: it is no history that this plocal can read.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        connection = _read_into_memory(path, log)
    else:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
    try:
        check_readable(_settings(connection), path)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _read_into_memory(path: Path, log: Path) -> sqlite3.Connection:
    """Everything in the file and in the write-ahead log that a crash has left beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as copy:
            copy.backup(memory)
        return memory


def _settings(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    connection.create_function("contains", 2, contains, deterministic=True)
    return connection


def _identity_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others that exist; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make(path: Path) -> None:
    """An empty file for its owner alone, unless there is one.

    Raises: OSError; InvalidInput for what is no regular file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not path.is_file():
            raise foreign(path) from None


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself while another process switches."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except sqlite3.OperationalError as error:
            if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's and the system's complaints about `path` as our errors; a bug stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        trouble = _trouble(path, error)
        if trouble is None:
            raise
        raise trouble from error
    except OSError as error:
        raise InvalidInput(
            f"The history {path} cannot be used: {error.strerror or error}.", _ELSEWHERE
        ) from error


def _trouble(path: Path, error: sqlite3.Error) -> PlocalError | None:
    code = _primary(error)
    if code == sqlite3.SQLITE_NOTADB:
        return foreign(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return InvalidInput(
            f"The history {path} is damaged ({error}).",
            f"Move it away (mv '{path}' '{path}.damaged'), and a new one is begun; "
            f"`sqlite3 '{path}.damaged' .recover` saves what can be read.",
        )
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return InvalidInput(
            f"The history {path} cannot be written: {error}.",
            "Free some space on its disk, or ask with --no-log.",
        )
    if code in _UNWRITABLE:
        return InvalidInput(f"The history {path} cannot be written: {error}.", _ELSEWHERE)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
        return InvalidInput(
            f"The history {path} has been held by another process for {BUSY_SECONDS:g} seconds.",
            "Try again when that process is done.",
        )
    if "no such module: fts5" in str(error) or "no such tokenizer: trigram" in str(error):
        return InvalidInput(
            f"This Python's SQLite {sqlite3.sqlite_version} lacks full-text search.",
            "The history needs SQLite 3.34 or newer with FTS5; ask with --no-log meanwhile.",
        )
    return None


def _primary(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for an error of Python's own."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
