"""Rows of the tables as values, and values as what the tables hold.

conversation, turn rows ──> Summary, Conversation, StoredTurn          record, turn ──> JSON columns
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.history.search import contains, snippet
from pluralism_local.history.values import (
    Conversation,
    StoredTurn,
    Summary,
    storable,
    to_datetime,
)
from pluralism_local.types import Turn

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


def turn_of(record: Mapping[str, Any] | None) -> Turn | None:
    """What a follow-up goes on from, as a record has it; None where it has nothing usable."""
    found = record.get("turn") if record is not None else None
    if not isinstance(found, dict):
        return None
    prompt, answer = found.get("prompt"), found.get("answer")
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    return Turn(prompt, answer, _texts(found.get("asked")), _texts(found.get("said")))


def _texts(found: object) -> dict[str, str]:
    entries = found.items() if isinstance(found, dict) else ()
    return {voice: text for voice, text in entries if isinstance(text, str)}


def comments_of(record: Mapping[str, Any] | None) -> str:
    """The texts of a record's comments, for the index; records of other hands may lack them."""
    comments = record.get("comments") if record is not None else None
    if not isinstance(comments, list):
        return ""
    texts = [comment.get("text") for comment in comments if isinstance(comment, dict)]
    return storable("\n".join(text for text in texts if isinstance(text, str)))


def summary(connection: sqlite3.Connection, row: sqlite3.Row, wanted: Sequence[str]) -> Summary:
    """A line of a list; `wanted` is what was searched for. Records, by far the longest column, are not read."""
    (count,) = connection.execute(
        "SELECT count(*) FROM turn WHERE conversation = ?", (row["key"],)
    ).fetchone()
    texts = _found(connection, row["key"], wanted) if wanted else ()
    return Summary(
        row["id"],
        row["title"],
        to_datetime(row["created"]),
        to_datetime(row["updated"]),
        count,
        snippet(texts or _last_answer(connection, row["key"]), wanted),
    )


def _found(connection: sqlite3.Connection, key: int, wanted: Sequence[str]) -> tuple[str, ...]:
    """The texts of the first turn that has all that is wanted; none if the title alone has it."""
    turns = connection.execute(
        "SELECT prompt, answer, comments FROM turn WHERE conversation = ? ORDER BY id", (key,)
    )
    for turn in turns:
        if all(any(contains(text, word) for text in turn) for word in wanted):
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
    record = None if row["record"] is None else json.loads(row["record"])
    return StoredTurn(
        id=row["id"],
        mode=row["mode"],
        prompt=row["prompt"],
        answer=row["partial"] if running else row["answer"],
        status=row["status"],
        record=record,
        turn=turn_of(record),
        created=to_datetime(row["created"]),
        message=row["message"],
        asked_with=json.loads(row["asked_with"]),
    )
