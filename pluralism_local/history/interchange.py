"""Conversations as JSON, without loss: what `plocal logs export --format json` writes and `import` reads.

    {"schema": "plocal.history/1",
     "conversations": [                                  the first begun first
       {"id": "01k6q8x2m37hf2kd",                        16 characters of Crockford's base 32, sorted by time
        "title": "…",
        "created": "2026-01-31T12:00:00.000Z",           UTC, to the millisecond; "updated": the last change
        "updated": "2026-01-31T12:00:09.500Z",
        "turns": [                                       oldest first
          {"created": "…", "mode": "overton", "prompt": "…",
           "asked_with": {…},                            the front end's own; its "retry_of" is the number, from 1,
                                                         of the turn of this conversation that is asked again
           "answer": "…",
           "status": "done",                             done | stopped | failed; running is read as stopped
           "message": "",                                why it failed
           "record": {"schema": "plocal.result/1", …}    as `plocal ask --json` prints it, with the `turn` that a
         }]}]}                                           follow-up goes on from; null without a result

Every key is always there, and no other. Reading is strict; what it wrote, it reads to the same bytes again.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.files import open_regular
from pluralism_local.history.rows import to_json
from pluralism_local.history.values import (
    ID,
    Conversation,
    Status,
    StoredTurn,
    retried,
    storable,
    to_datetime,
    to_milliseconds,
)
from pluralism_local.mode_specs import ModeName
from pluralism_local.records import turn_of

SCHEMA = "plocal.history/1"


def dump(conversations: Sequence[Conversation]) -> str:
    """The JSON text of these conversations, with a line break at its end."""
    record = {"schema": SCHEMA, "conversations": [to_record(conversation) for conversation in conversations]}
    return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def to_record(conversation: Conversation) -> dict[str, Any]:
    """One conversation as its object."""
    numbers = {turn.id: number for number, turn in enumerate(conversation.turns, 1)}
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created": _moment(conversation.created),
        "updated": _moment(conversation.updated),
        "turns": [_turn(turn, numbers) for turn in conversation.turns],
    }


def _turn(turn: StoredTurn, numbers: dict[int, int]) -> dict[str, Any]:
    asked_with = turn.asked_with
    if "retry_of" in asked_with:
        asked_with = {**asked_with, "retry_of": numbers.get(retried(asked_with) or 0)}
    return {
        "created": _moment(turn.created),
        "mode": turn.mode,
        "prompt": turn.prompt,
        "asked_with": asked_with,
        "answer": turn.answer,
        "status": turn.status,
        "message": turn.message,
        "record": turn.record,
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


MOST_BYTES = 256 * 2**20
"""Of a file that is imported: reading one takes several times as much memory."""


def read(path: Path) -> list[Conversation]:
    """The conversations of a file; see `load`.

    Raises:
        NotFound, InvalidInput: there is no such file, it cannot be read, or it is larger than `MOST_BYTES`.
        Refused, InvalidInput: as `load`.
    """
    with open_regular(path) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InvalidInput(
            f"{path} is larger than {MOST_BYTES // 2**20} MiB, too large to take in at once.",
            "Export the conversations in several files, by their ids, and import one after the other.",
        )
    return load(content, str(path))


def load(content: bytes, name: str) -> list[Conversation]:
    """The conversations of a JSON text; their turns are numbered from 1.

    Args:
        name: of the file, for messages.

    Raises:
        Refused: it is of a newer schema.
        InvalidInput: it is not what `dump` writes; the message names the place.
    """
    content = content.removeprefix(codecs.BOM_UTF8)  # editors on Windows begin with it
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} is not JSON text in UTF-8: {error}.", _WANTED) from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, str) or not schema.startswith("plocal.history/"):
        raise InvalidInput(f"{name} is no exported history.", _WANTED)
    if schema != SCHEMA:
        raise Refused(f"{name} has the schema {schema}, this plocal knows {SCHEMA}.", "Update plocal.")
    try:
        return [
            _conversation(conversation)
            for conversation in _File.model_validate_json(content, strict=True).conversations
        ]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "its text"
        raise InvalidInput(f"{name} cannot be read at {place}: {first['msg']}.", _WANTED) from error


_WANTED = "Import takes what `plocal logs export --format json` wrote."


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    to_json(value)  # a number such as 1e999 is read but cannot be written
    return value


def _utc(moment: datetime) -> datetime:
    try:
        return to_datetime(to_milliseconds(moment))
    except OverflowError as error:
        raise ValueError("this moment is out of range") from error


Object = Annotated[dict[str, Any], AfterValidator(_json_object)]
Text = Annotated[str, AfterValidator(storable)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Turn(_Strict):
    created: Moment
    mode: ModeName
    prompt: Text
    asked_with: Object
    answer: Text
    status: Status
    message: Text
    record: Object | None


class _Conversation(_Strict):
    id: str = Field(pattern=f"^{ID}$")
    title: Text
    created: Moment
    updated: Moment
    turns: list[_Turn]


class _File(_Strict):
    schema_: Literal["plocal.history/1"] = Field(alias="schema")
    conversations: list[_Conversation]


def _conversation(record: _Conversation) -> Conversation:
    return Conversation(
        record.id,
        record.title,
        record.created,
        record.updated,
        tuple(_stored(number, turn) for number, turn in enumerate(record.turns, 1)),
    )


def _stored(number: int, record: _Turn) -> StoredTurn:
    return StoredTurn(
        id=number,
        mode=record.mode,
        prompt=record.prompt,
        answer=record.answer,
        status="stopped" if record.status == "running" else record.status,
        record=record.record,
        turn=turn_of(record.record),
        created=record.created,
        message=record.message,
        asked_with=record.asked_with,
    )
