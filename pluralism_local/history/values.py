"""What the history gives out: frozen values without a connection to the file they came from.

    Summary                                a line of a list
    Conversation ── turns ──> StoredTurn   the whole of it

Times are UTC, to the millisecond. Texts are as they were, but for NUL characters and lone surrogates, which
no file of text can hold.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pluralism_local.mode_specs import ModeName
from pluralism_local.results import Turn

Status = Literal["running", "done", "failed", "stopped"]
TITLE_LENGTH = 80
ID = r"[0-9a-hjkmnp-tv-z]{16}"
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: none of them is taken for another
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """A conversation in a list.

    `turns` counts its turns. `snippet` is one line: the words around what was searched for, or the beginning
    of the last answer.
    """

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: int
    snippet: str


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One exchange as it was kept.

    Attributes:
        id: its number in this file, for `History.finish` and its like.
        answer: what was answered; of a running turn what has been handed to `History.partial`.
        status: ``"running"`` while the process that began it lives, ``"done"``, ``"failed"`` (see `message`)
            or ``"stopped"``: by the user, or since its process died.
        record: the stable object of `records`; None without a result.
        turn: what a follow-up goes on from; None if there is none.
        message: why it failed; "" if it did not.
        asked_with: what the front end said it asked with. Its ``retry_of``, if there, is the `id` of the turn
            that this one asked again.
    """

    id: int
    mode: ModeName
    prompt: str
    answer: str
    status: Status
    record: dict[str, Any] | None
    turn: Turn | None
    created: datetime
    message: str = ""
    asked_with: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; `turns` oldest first, `updated` when the last of them began or ended."""

    id: str
    title: str
    created: datetime
    updated: datetime
    turns: tuple[StoredTurn, ...]

    def to_go_on(self) -> tuple[Turn, ...]:
        """The turns that a follow-up continues, oldest first.

        A turn without a result counts by what the user saw of it. Left out are turns without any answer, and
        those that were asked again with success.
        """
        usable = [(stored, turn) for stored in self.turns if (turn := _going_on(stored)) is not None]
        again = {retried(stored.asked_with) for stored, _ in usable}
        return tuple(turn for stored, turn in usable if stored.id not in again)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is kept. `file_bytes` is the file's and its write-ahead log's."""

    conversations: int
    turns: int
    file_bytes: int


def _going_on(stored: StoredTurn) -> Turn | None:
    if stored.turn is not None or stored.status == "running" or not stored.answer.strip():
        return stored.turn
    return Turn(stored.prompt, stored.answer, {}, {})


def retried(asked_with: Mapping[str, Any]) -> int | None:
    """The `id` of the turn that was asked again, if that is what this was."""
    number = asked_with.get("retry_of")
    return number if type(number) is int else None


def new_id(milliseconds: int) -> str:
    """16 characters: ten of the time, so that ids sort by it, and six (30 bits) by chance."""
    chance = secrets.randbits(30)
    return _base32(milliseconds, 10) + _base32(chance, 6)


def _base32(number: int, length: int) -> str:
    return "".join(_DIGITS[number >> 5 * place & 31] for place in reversed(range(length)))


def id_from(digest: bytes) -> str:
    """An id that follows from `digest` (at least 10 bytes)."""
    return _base32(int.from_bytes(digest[:10], "big"), 16)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def to_datetime(milliseconds: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def storable(text: str) -> str:
    """`text` without what neither SQLite's index nor UTF-8 can hold: NULs go, lone surrogates become ``?``."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def short_title(text: str) -> str:
    """A title made of a prompt: its beginning on one line, at most `TITLE_LENGTH` characters, never blank."""
    words = " ".join(_CONTROL.sub(" ", storable(text[: 20 * TITLE_LENGTH])).split())
    if len(words) <= TITLE_LENGTH:
        return words or "Untitled"
    cut = words[: TITLE_LENGTH - 1]
    head, _, _ = cut.rpartition(" ")
    return f"{head if len(head) > TITLE_LENGTH // 2 else cut}…"
