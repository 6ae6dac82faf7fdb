"""Conversations from elsewhere into the tables, each once.

    id not here                           ──> added, with its id and times
    here, and one continues the other     ──> the longer one stays: missing turns are appended, the title is kept
    here, and they went different ways    ──> added beside it, under an id that follows from its content

Two turns are the same when they were asked at the same millisecond with the same prompt; of these, the one
that is here stays as it is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pluralism_local.history import rows
from pluralism_local.history.values import (
    Conversation,
    StoredTurn,
    id_from,
    retried,
    storable,
    to_milliseconds,
)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of conversations from elsewhere, in numbers of conversations."""

    new: int = 0
    extended: int = 0
    unchanged: int = 0


def add(connection: sqlite3.Connection, conversations: Sequence[Conversation]) -> Added:
    """Take them in; the caller's transaction makes it all or none."""
    added = Added()
    for conversation in conversations:
        added = _add_one(connection, conversation, added)
    return added


def _add_one(connection: sqlite3.Connection, conversation: Conversation, added: Added) -> Added:
    row = connection.execute("SELECT key FROM conversation WHERE id = ?", (conversation.id,)).fetchone()
    if row is None:
        _insert(connection, conversation)
        return replace(added, new=added.new + 1)
    here = rows.conversation(connection, row["key"])
    mine, theirs = _marks(here), _marks(conversation)
    if mine[: len(theirs)] == theirs:
        return replace(added, unchanged=added.unchanged + 1)
    if theirs[: len(mine)] == mine:
        _extend(connection, row["key"], here, conversation)
        return replace(added, extended=added.extended + 1)
    return _add_one(connection, replace(conversation, id=_another_id(conversation)), added)


def _marks(conversation: Conversation) -> list[tuple[int, str]]:
    return [(to_milliseconds(turn.created), turn.prompt) for turn in conversation.turns]


def _another_id(conversation: Conversation) -> str:
    """An id of its own for a conversation that shares its id with another; the same every time."""
    content = repr((conversation.id, _marks(conversation)))
    return id_from(hashlib.sha256(content.encode()).digest())


def _insert(connection: sqlite3.Connection, conversation: Conversation) -> None:
    added = connection.execute(
        "INSERT INTO conversation(id, title, created, updated) VALUES (?, ?, ?, ?)",
        (
            conversation.id,
            storable(conversation.title),
            to_milliseconds(conversation.created),
            to_milliseconds(conversation.updated),
        ),
    )
    _insert_turns(connection, int(added.lastrowid or 0), conversation.turns, {})


def _extend(connection: sqlite3.Connection, key: int, here: Conversation, longer: Conversation) -> None:
    pairs = zip(longer.turns, here.turns, strict=False)
    _insert_turns(
        connection, key, longer.turns[len(here.turns) :], {theirs.id: mine.id for theirs, mine in pairs}
    )
    updated = max(to_milliseconds(here.updated), to_milliseconds(longer.updated))
    connection.execute("UPDATE conversation SET updated = ? WHERE key = ?", (updated, key))


def _insert_turns(
    connection: sqlite3.Connection, key: int, turns: Sequence[StoredTurn], here: Mapping[int, int]
) -> None:
    """Add the turns; `here` leads from ids of earlier turns elsewhere to those here, for `retry_of`."""
    numbers = dict(here)
    for turn in turns:
        asked_with = turn.asked_with
        if "retry_of" in asked_with:
            asked_with = {**asked_with, "retry_of": numbers.get(retried(asked_with) or 0)}
        added = connection.execute(
            "INSERT INTO turn(conversation, mode, prompt, answer, comments, status, message, asked_with, record, "
            "created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key,
                turn.mode,
                storable(turn.prompt),
                storable(turn.answer),
                rows.comments_of(turn.record),
                "stopped" if turn.status == "running" else turn.status,
                storable(turn.message),
                rows.to_json(asked_with),
                None if turn.record is None else rows.to_json(turn.record),
                to_milliseconds(turn.created),
            ),
        )
        numbers[turn.id] = int(added.lastrowid or 0)
