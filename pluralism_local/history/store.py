"""`History`: conversations written as they go, and read back. See the package for what flows where.

begin ──> an empty conversation, shown nowhere until its first turn
ask ──> a running turn, marked with this process's `WriterMark`; partial ──> its answer so far
finish ──> done (or stopped, where the result says it is not complete); fail ──> failed
a running turn whose writer is dead ──> stopped, with the answer so far, when somebody reads next
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pluralism_local.errors import InvalidInput, NotFound, PlocalError
from pluralism_local.history import merging, rows
from pluralism_local.history.database import Database, translated
from pluralism_local.history.search import condition, words
from pluralism_local.history.values import (
    Conversation,
    ConversationSummary,
    Counts,
    new_id,
    now,
    short_title,
    storable,
)
from pluralism_local.history.writers import WriterMark, is_alive
from pluralism_local.mode_specs import ModeName
from pluralism_local.records import to_record, unfinished_record
from pluralism_local.results import Comment, Result


class History:
    """The history in the file `path`. A context manager; any thread may use it, one call at a time goes on.

    Every method raises InvalidInput when the file cannot be read or written, is damaged, or is held by another
    process for too long; and NotFound for a conversation or turn that is not (or no longer) there. One that writes
    raises HistoryReplaced, once, when the file was deleted or replaced since it was opened: the conversations and turns
    of before are not in the new one, which is written from then on.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, make it if there is none, and bring it up to date (after a backup).

        Raises:
            Refused: it was written by a newer version; nothing is changed.
            InvalidInput: it is no history, or as the class says.
        """
        self._database = Database(path)
        self._marks = path.with_name(f"{path.name}.writers")
        self._writer: WriterMark | None = None

    def begin(self, title: str) -> str:
        """A new conversation; returns its id. Of `title` the beginning is taken, on one line."""
        moment = now()
        id = new_id(moment)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO conversation(id, title, created, updated) VALUES (?, ?, ?, ?)",
                (id, short_title(title), moment, moment),
            )
        return id

    def ask(self, conversation: str, mode: ModeName, prompt: str, asked_with: Mapping[str, Any]) -> int:
        """A turn that has just been asked; returns its number for `partial`, `finish` and `fail`.

        `asked_with` is what a front end wants to know again, as JSON can hold it; see `provenance.asked_with`.
        """
        moment = now()
        with self._database.writing() as connection:
            key = _key(connection, conversation)
            added = connection.execute(
                "INSERT INTO turn(conversation, mode, prompt, status, asked_with, writer, created) "
                "VALUES (?, ?, ?, 'running', ?, ?, ?)",
                (key, mode, storable(prompt), rows.to_json(dict(asked_with)), self._token(), moment),
            )
            # the one used last is the latest, also where the clock was set back
            connection.execute(
                "UPDATE conversation SET updated = max(updated, ?, "
                "(SELECT coalesce(max(updated) + 1, 0) FROM conversation WHERE key != ?)) WHERE key = ?",
                (moment, key, key),
            )
        return int(added.lastrowid or 0)

    def partial(self, turn: int, answer: str) -> None:
        """The answer so far, to be shown if this process dies. Costs a write to the disk: call it rarely."""
        with self._database.writing() as connection:
            _changed(
                connection.execute("UPDATE turn SET partial = ? WHERE id = ?", (storable(answer), turn)), turn
            )

    def heard(self, turn: int, comments: Sequence[Comment]) -> None:
        """The comments that are done so far, in the order of their ends: what remains of them if this process dies."""
        record = unfinished_record(comments)
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE turn SET comments = ?, record = ? WHERE id = ?",
                (rows.comments_of(record), rows.to_json(record), turn),
            )
            _changed(changed, turn)

    def finish(self, turn: int, result: Result) -> None:
        """The turn has its result: done, or stopped where the result is not complete."""
        record = to_record(result)
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE turn SET status = ?, answer = ?, comments = ?, record = ?, "
                "partial = '', writer = NULL WHERE id = ?",
                (
                    "done" if result.complete else "stopped",
                    storable(result.answer),
                    rows.comments_of(record),
                    rows.to_json(record),
                    turn,
                ),
            )
            _changed(changed, turn)
            _touch(connection, turn)

    def fail(self, turn: int, message: str) -> None:
        """The turn failed; the answer so far is kept."""
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE turn SET status = 'failed', answer = partial, partial = '', message = ?, writer = NULL "
                "WHERE id = ?",
                (storable(message), turn),
            )
            _changed(changed, turn)
            _touch(connection, turn)

    def list(self, search: str = "", limit: int = 50, offset: int = 0) -> list[ConversationSummary]:
        """Conversations, the last used first; with `search`, those where a turn or the title has all its words.

        Any text can be searched for; upper and lower case are the same, and parts of words are found. A running
        answer is not searched yet.
        """
        search_words = words(search)
        chosen, parameters = rows.LISTED, list[str]()
        if search_words:
            matching, parameters = condition(search_words)
            chosen = f"{chosen} AND {matching}"
        self._bury_the_dead()
        with self._database.reading() as connection:
            found_rows = connection.execute(
                f"SELECT * FROM conversation WHERE {chosen} ORDER BY updated DESC, key DESC LIMIT ? OFFSET ?",
                (*parameters, max(0, limit), max(0, offset)),
            ).fetchall()
            return [rows.summary(connection, row, search_words) for row in found_rows]

    def get(self, conversation: str) -> Conversation:
        """The conversation with this id, or the only one whose id begins so.

        Raises:
            NotFound: there is none.
            InvalidInput: several begin so; or as the class says.
        """
        self._bury_the_dead()
        with self._database.reading() as connection:
            return rows.conversation(connection, _key(connection, conversation))

    def latest(self, *, to_go_on: bool = False) -> Conversation | None:
        """The conversation used last, or None; with `to_go_on` the last that has an answer to go on from."""
        self._bury_the_dead()
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT key FROM conversation WHERE {rows.ANSWERED if to_go_on else rows.LISTED} "
                "ORDER BY updated DESC, key DESC LIMIT 1"
            ).fetchone()
            return None if row is None else rows.conversation(connection, row["key"])

    def all(self) -> tuple[Conversation, ...]:
        """Every conversation, whole, the first begun first."""
        self._bury_the_dead()
        with self._database.reading() as connection:
            found_rows = connection.execute(
                f"SELECT key FROM conversation WHERE {rows.LISTED} ORDER BY created, id"
            ).fetchall()
            return tuple(rows.conversation(connection, row["key"]) for row in found_rows)

    def rename(self, conversation: str, title: str) -> None:
        """Give it another title.

        Raises: InvalidInput for a blank one; else as `get`.
        """
        if not title.strip():
            raise InvalidInput("The title is empty.", "Give the conversation a name.")
        with self._database.writing() as connection:
            key = _key(connection, conversation)
            connection.execute("UPDATE conversation SET title = ? WHERE key = ?", (short_title(title), key))

    def delete(self, conversation: str) -> None:
        """Take it out of the file and its index, so that nothing of its text stays behind. Backups are not touched.

        Raises: as `get`.
        """
        with self._database.writing() as connection:
            key = _key(connection, conversation)
            connection.execute("DELETE FROM conversation WHERE key = ?", (key,))
            # the index only notes deletions until its parts are merged
            connection.execute("INSERT INTO turn_words(turn_words) VALUES ('optimize')")
        with contextlib.suppress(PlocalError):  # others are reading: the log is emptied when they are done
            self._database.settle()

    def add(self, conversations: Sequence[Conversation]) -> merging.Added:
        """Take in conversations from elsewhere, all or none; see `merging` for those already here."""
        with self._database.writing() as connection:
            return merging.add(connection, conversations)

    def counts(self) -> Counts:
        """How much is kept."""
        path = self._database.path
        with self._database.reading() as connection:
            conversations, turns = connection.execute(
                f"SELECT (SELECT count(*) FROM conversation WHERE {rows.LISTED}), (SELECT count(*) FROM turn)"
            ).fetchone()
        with translated(path):
            files = [path, path.with_name(f"{path.name}-wal")]
            return Counts(conversations, turns, sum(file.stat().st_size for file in files if file.exists()))

    def close(self) -> None:
        """Let go of the file; turns that still run count as stopped from now on. Closing twice is fine."""
        self._database.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _token(self) -> str:
        """The mark of this process, made when its first turn begins; called with the database held."""
        if self._writer is not None and not self._writer.is_marked():
            self._writer.close()
            self._writer = None
        if self._writer is None:
            self._writer = WriterMark(self._marks)
        return self._writer.token

    def _bury_the_dead(self) -> None:
        """Running turns of processes that are no more become stopped ones.

        Where that cannot be written they are still shown as running, which must not keep anybody from reading.
        """
        with self._database.reading() as connection:
            writers = connection.execute(
                "SELECT DISTINCT writer FROM turn WHERE status = 'running'"
            ).fetchall()
        dead = [token for (token,) in writers if token is None or not is_alive(self._marks, token)]
        if not dead:
            return
        with contextlib.suppress(PlocalError), self._database.writing() as connection:
            connection.executemany(
                "UPDATE turn SET status = 'stopped', answer = partial, partial = '', writer = NULL "
                "WHERE status = 'running' AND writer IS ?",
                [(token,) for token in dead],
            )


def _key(connection: sqlite3.Connection, name: str) -> int:
    """The key of the conversation whose id is `name` or alone begins so."""
    prefix = storable(name).strip().lower()
    if not prefix:
        raise InvalidInput("No conversation was named.", "`plocal logs ls` lists them with their ids.")
    matches = connection.execute(
        "SELECT key, id FROM conversation WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 4",
        (len(prefix), prefix),
    ).fetchall()
    if not matches:
        raise NotFound(f"There is no conversation '{name}'.", "`plocal logs ls` lists them with their ids.")
    if len(matches) > 1:
        ids = ", ".join(row["id"] for row in matches[:3])
        raise InvalidInput(
            f"Several conversations begin with '{name}': {ids}{', …' if len(matches) > 3 else ''}.",
            "Write more of the id.",
        )
    return int(matches[0]["key"])


def _changed(cursor: sqlite3.Cursor, turn: int) -> None:
    if cursor.rowcount == 0:
        raise NotFound(f"The turn {turn} is no longer in the history.", "Its conversation was deleted.")


def _touch(connection: sqlite3.Connection, turn: int) -> None:
    connection.execute(
        "UPDATE conversation SET updated = max(updated, ?) "
        "WHERE key = (SELECT conversation FROM turn WHERE id = ?)",
        (now(), turn),
    )
