"""The tables, in numbered steps, and how an older file is brought up to date.

    file of version v ──back_up──> logs.db.v<v>.backup ──steps v+1 … n, in one transaction──> version n

The version is SQLite's `user_version`, and `application_id` says that the file is ours. A step, once released,
never changes. A step that fails leaves the file at its old version.

Version 1: conversation ──< turn; `turn_words` indexes every three successive characters of prompts, finished
answers and comments, which finds parts of words in any script, and punctuation. Triggers keep it in step.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from pluralism_local.errors import InvalidInput, Refused

APPLICATION_ID = 0x706C6F63  # "ploc"

Migration = tuple[str, ...]

_TABLES: Migration = (
    """CREATE TABLE conversation (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        created INTEGER NOT NULL, -- milliseconds since 1970, as all times here
        updated INTEGER NOT NULL)""",
    "CREATE INDEX conversation_updated ON conversation(updated)",
    """CREATE TABLE turn (
        id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: a late `finish` must not hit another turn
        conversation INTEGER NOT NULL REFERENCES conversation(key) ON DELETE CASCADE,
        mode TEXT NOT NULL,
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL DEFAULT '',
        partial TEXT NOT NULL DEFAULT '', -- the answer while it runs; apart, so that it is not indexed each time
        comments TEXT NOT NULL DEFAULT '', -- the comments' texts, for the index
        status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'stopped')),
        message TEXT NOT NULL DEFAULT '',
        asked_with TEXT NOT NULL, -- JSON, as `record`
        record TEXT,
        writer TEXT, -- token of the process, while running
        created INTEGER NOT NULL)""",
    "CREATE INDEX turn_conversation ON turn(conversation)",
    "CREATE INDEX turn_running ON turn(writer) WHERE status = 'running'",
    """CREATE VIRTUAL TABLE turn_words USING fts5(
        prompt, answer, comments, content = 'turn', content_rowid = 'id', tokenize = 'trigram')""",
    """CREATE TRIGGER turn_added AFTER INSERT ON turn BEGIN
        INSERT INTO turn_words(rowid, prompt, answer, comments)
            VALUES (new.id, new.prompt, new.answer, new.comments);
    END""",
    """CREATE TRIGGER turn_deleted AFTER DELETE ON turn BEGIN
        INSERT INTO turn_words(turn_words, rowid, prompt, answer, comments)
            VALUES ('delete', old.id, old.prompt, old.answer, old.comments);
    END""",
    """CREATE TRIGGER turn_changed AFTER UPDATE OF prompt, answer, comments ON turn BEGIN
        INSERT INTO turn_words(turn_words, rowid, prompt, answer, comments)
            VALUES ('delete', old.id, old.prompt, old.answer, old.comments);
        INSERT INTO turn_words(rowid, prompt, answer, comments)
            VALUES (new.id, new.prompt, new.answer, new.comments);
    END""",
)

MIGRATIONS: tuple[Migration, ...] = (_TABLES,)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the file up to the last of `steps`, after a backup of what an older version holds.

    Raises:
        Refused: the file is of a newer version.
        InvalidInput: it is the database of another program.
    """
    if version_of(connection, path, len(steps)) == len(steps):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection, path, len(steps))  # another process may have been first
        if 0 < version < len(steps):
            back_up(path, version)
        for step in steps[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_readable(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration] = MIGRATIONS
) -> None:
    """See that a file which cannot be changed can be read as it is.

    Raises:
        Refused: the file is of a newer version.
        InvalidInput: it is of an older version, or the database of another program.
    """
    version = version_of(connection, path, len(steps))
    if version < len(steps):
        raise InvalidInput(
            f"The history {path} is of an older version, and cannot be brought up to date where it lies.",
            "Copy it into a folder that can be written, and set PLOCAL_HOME to that.",
        )


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """The version of the file's tables; 0 for a new file.

    Raises: as `migrate`.
    """
    application, version, tables = connection.execute(  # one statement sees one moment
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), "
        "(SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    if application != APPLICATION_ID and (application or version or tables):
        raise foreign(path)
    if version > newest:
        raise Refused(
            f"The history {path} was written by a newer plocal: it is of version {version}, this one knows {newest}.",
            "Update plocal, or set PLOCAL_HOME to another folder. The file was left as it is.",
        )
    return int(version)


def foreign(path: Path) -> InvalidInput:
    """What to tell about a file that is no history."""
    return InvalidInput(
        f"{path} is no history of plocal.",
        f"Move it away (mv '{path}' '{path}.old'), and a new one is begun.",
    )


def backup_path(path: Path, version: int) -> Path:
    """Where the backup of the file at this version lies."""
    return path.with_name(f"{path.name}.v{version}.backup")


def back_up(path: Path, version: int) -> None:
    """Copy the committed content to `backup_path`, whole or not at all; an earlier copy is replaced.

    A connection of its own reads it, since the one that holds the write lock may not.
    """
    target = backup_path(path, version)
    temporary = target.with_name(f"{target.name}.part")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(temporary)) as copy,
    ):
        source.backup(copy)
    temporary.replace(target)
