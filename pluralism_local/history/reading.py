"""What readers want of a stored turn, whoever wrote its record: see `records` for what is left out of an odd one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pluralism_local.agreement import Agreement
from pluralism_local.history.values import StoredTurn
from pluralism_local.modes.aggregate import is_stand_in
from pluralism_local.records import from_record
from pluralism_local.results import Comment, Draws, Round, Window


@dataclass(frozen=True, slots=True)
class Bar:
    """An option with its probability in [0, 1]."""

    option: str
    p: float


def comments(turn: StoredTurn) -> tuple[Comment, ...]:
    """The comments of its record, in order."""
    return from_record(turn.record).comments


def distribution(turn: StoredTurn) -> list[Bar]:
    """The options of its record, in the user's order; empty without a distribution, and for one that is a stand-in."""
    aggregate = from_record(turn.record).distribution
    if aggregate is None or is_stand_in(aggregate):
        return []
    return [Bar(option, p) for option, p in zip(aggregate.options, aggregate.p, strict=True)]


def window(turn: StoredTurn) -> Window | None:
    """The positions of its comments; None without any."""
    positions = from_record(turn.record).window
    return positions if positions is not None and positions.positions else None


def draws(turn: StoredTurn) -> Draws | None:
    """Its drawn comments with their positions; None without any."""
    drawn = from_record(turn.record).draws
    return drawn if drawn is not None and drawn.positions else None


def rounds(turn: StoredTurn) -> tuple[Round, ...]:
    """Its rounds, the first comments as round 0; none where nobody commented again."""
    return from_record(turn.record).rounds


def agreement(turn: StoredTurn) -> Agreement | None:
    """What the voices made of statements; None where they judged none."""
    return from_record(turn.record).agreement


def state(turn: StoredTurn) -> str:
    """What else there is to say of a turn that did not just end, beginning with a comma; else ""."""
    selection = from_record(turn.record).selection
    who = f", chosen: {selection.community}" if selection is not None else ""
    if turn.status == "failed":
        return f"{who}, failed: {turn.message}" if turn.message else f"{who}, failed"
    return who if turn.status == "done" else f"{who}, {turn.status}"


def unreadable(turn: StoredTurn) -> str:
    """A sentence that names what of its record cannot be read; "" where all can."""
    names = from_record(turn.record).unreadable
    return f"Of what was recorded, this cannot be read: {', '.join(names)}." if names else ""


def when(moment: datetime) -> str:
    """Date, time and zone, e.g. ``2026-01-31 12:00 UTC``."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")
