"""Rows of the tables as values, and values as what the tables hold.

conversation, turn rows ──> ConversationSummary, Conversation, StoredTurn          record, turn ──> JSON columns
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.history.search import contains, snippet
from pluralism_local.history.values import (
    Conversation,
    ConversationSummary,
    StoredTurn,
    storable,
    to_datetime,
)
from pluralism_local.records import from_record, turn_of
from pluralism_local.remote_url import without_credentials

LISTED = "EXISTS (SELECT 1 FROM turn WHERE turn.conversation = conversation.key)"
ANSWERED = (
    "EXISTS (SELECT 1 FROM turn WHERE turn.conversation = conversation.key "
    "AND status != 'running' AND trim(answer) != '')"
)


def to_json(value: object) -> str:
    """`value` as a JSON column has it.

    Raises: ValueError for NaN and infinities, TypeError for what JSON does not have.
    """
    return storable(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def comments_of(record: Mapping[str, Any] | None) -> str:
    """The texts of a record's comments, for the index; records of other hands may lack them."""
    return storable("\n".join(comment.text for comment in from_record(record).comments))


def summary(
    connection: sqlite3.Connection, row: sqlite3.Row, search_words: Sequence[str]
) -> ConversationSummary:
    """A line of a list; `search_words` is what was searched for. Records, by far the longest column, are not read."""
    (count,) = connection.execute(
        "SELECT count(*) FROM turn WHERE conversation = ?", (row["key"],)
    ).fetchone()
    texts = _matching_texts(connection, row["key"], search_words) if search_words else ()
    return ConversationSummary(
        row["id"],
        row["title"],
        to_datetime(row["created"]),
        to_datetime(row["updated"]),
        count,
        snippet(texts or _last_answer(connection, row["key"]), search_words),
    )


def _matching_texts(connection: sqlite3.Connection, key: int, search_words: Sequence[str]) -> tuple[str, ...]:
    """The texts of the first turn that has all words; none if the title alone has it."""
    turns = connection.execute(
        "SELECT prompt, answer, comments FROM turn WHERE conversation = ? ORDER BY id", (key,)
    )
    for turn in turns:
        if all(any(contains(text, word) for text in turn) for word in search_words):
            return tuple(turn)
    return ()


def _last_answer(connection: sqlite3.Connection, key: int) -> tuple[str, ...]:
    return tuple(
        connection.execute(
            "SELECT CASE status WHEN 'running' THEN partial ELSE answer END FROM turn WHERE conversation = ? "
            "ORDER BY id DESC LIMIT 1",
            (key,),
        ).fetchone()
    )


def conversation(connection: sqlite3.Connection, key: int) -> Conversation:
    """The whole conversation."""
    row = connection.execute("SELECT * FROM conversation WHERE key = ?", (key,)).fetchone()
    turns = connection.execute("SELECT * FROM turn WHERE conversation = ? ORDER BY id", (key,)).fetchall()
    return Conversation(
        row["id"],
        row["title"],
        to_datetime(row["created"]),
        to_datetime(row["updated"]),
        tuple(stored_turn(turn) for turn in turns),
    )


def stored_turn(row: sqlite3.Row) -> StoredTurn:
    """One turn."""
    running = row["status"] == "running"
    record = None if row["record"] is None else _object(row["record"])
    return StoredTurn(
        id=row["id"],
        mode=row["mode"],
        prompt=row["prompt"],
        answer=row["partial"] if running else row["answer"],
        status=row["status"],
        record=record,
        turn=turn_of(record),
        created=to_datetime(row["created"]),
        message=without_credentials(row["message"]),
        asked_with=_asked_with(row["asked_with"]),
    )


def _asked_with(text: str) -> dict[str, Any]:
    """How it was asked; earlier versions kept the model's name with the user name and password of its URL."""
    record = _object(text) or {}
    model = record.get("model")
    return {**record, "model": without_credentials(model)} if isinstance(model, str) else record


def _object(text: str) -> dict[str, Any] | None:
    """A JSON column's object; None where other hands put something else there."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
