"""What a reader wants of a stored turn's record, whoever wrote that: parts that are missing or odd are left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from pluralism_local.history.values import StoredTurn


@dataclass(frozen=True, slots=True)
class Said:
    """A comment: who, what, and what was wrong with it ("" if nothing was)."""

    community: str
    text: str
    problem: str


@dataclass(frozen=True, slots=True)
class Bar:
    """An option with its probability in [0, 1]."""

    option: str
    p: float


def comments(turn: StoredTurn) -> list[Said]:
    """The comments of its record, in order."""
    found = (turn.record or {}).get("comments")
    return [
        Said(str(one.get("community", "")), str(one.get("text") or ""), str(one.get("problem") or ""))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict)
    ]


def distribution(turn: StoredTurn) -> list[Bar]:
    """The options of its record, in the user's order; empty without a distribution."""
    found = (turn.record or {}).get("distribution")
    if not isinstance(found, dict):
        return []
    options, chances = found.get("options"), found.get("p")
    if not isinstance(options, list) or not isinstance(chances, list):
        return []
    return [Bar(str(option), _chance(p)) for option, p in zip(options, chances, strict=False)]


def _chance(p: object) -> float:
    known = isinstance(p, (int, float)) and math.isfinite(p)
    return min(1.0, max(0.0, float(p))) if known and isinstance(p, (int, float)) else 0.0


def state(turn: StoredTurn) -> str:
    """What else there is to say of a turn that did not just end, beginning with a comma; else ""."""
    chosen = (turn.record or {}).get("selection")
    who = f", chosen: {chosen.get('community')}" if isinstance(chosen, dict) else ""
    if turn.status == "failed":
        return f"{who}, failed: {turn.message}" if turn.message else f"{who}, failed"
    return who if turn.status == "done" else f"{who}, {turn.status}"


def when(moment: datetime) -> str:
    """Date, time and zone, e.g. ``2026-01-31 12:00 UTC``."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")
