"""A stored record read back, whoever wrote it: the values it holds, and the names of the parts that cannot be read.

    JSON object of `modes.record`, or anything like it ──from_record──> Recorded

Histories are imported and edited by hand, and other versions write other keys. Nothing here raises: a part that is
not of the record's form is left out and named in `Recorded.unreadable`; a part that is missing or null is only empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast, get_args

from pluralism_local.display.figures import finite
from pluralism_local.results import Aggregate, Comment, Selection, Turn
from pluralism_local.types import DistributionMethod, Finish, Usage

UNKNOWN = "unknown"
"""A community or a method that a record does not name."""

_PROBLEMS = ("empty", "cut off", "stopped")
_ROUNDING = 1e-6
"""How far outside [0, 1] a probability may lie that was summed in floating point."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record says.

    Attributes:
        comments: those with a text or a community, in order. What else of them cannot be read is `UNKNOWN`, empty or
            0, for seconds and tokens.
        distribution: only where every option has its probability. `unassigned_mass` is NaN where it is not told;
            `method` may be any word.
        turn: what a follow-up goes on from.
        unreadable: keys of the record whose value is not, or not wholly, of the record's form, in its order.
    """

    attribute: str | None = None
    comments: tuple[Comment, ...] = ()
    selection: Selection | None = None
    distribution: Aggregate | None = None
    warnings: tuple[str, ...] = ()
    turn: Turn | None = None
    unreadable: tuple[str, ...] = ()


def from_record(record: object) -> Recorded:
    """What `record` says, as far as it can be read; nothing for what is no object."""
    if not isinstance(record, dict):
        return Recorded()
    comments = tuple(comment for part in _list(record.get("comments")) if (comment := _comment(part)))
    selection = _selection(record.get("selection"))
    distribution = _distribution(record.get("distribution"))
    warnings = tuple(text for text in _list(record.get("warnings")) if isinstance(text, str))
    turn = turn_of(record)
    lost = {
        "attribute": not isinstance(record.get("attribute"), str | None),
        "comments": _is_lost(record.get("comments"), len(comments)),
        "selection": record.get("selection") is not None and selection is None,
        "distribution": record.get("distribution") is not None and distribution is None,
        "warnings": _is_lost(record.get("warnings"), len(warnings)),
        "turn": record.get("turn") is not None and turn is None,
    }
    return Recorded(
        _text(record.get("attribute")),
        comments,
        selection,
        distribution,
        warnings,
        turn,
        tuple(key for key in record if lost.get(key)),
    )


def turn_of(record: object) -> Turn | None:
    """What a follow-up goes on from; None where the record has nothing usable."""
    stored = record.get("turn") if isinstance(record, dict) else None
    if not isinstance(stored, dict):
        return None
    prompt, answer = stored.get("prompt"), stored.get("answer")
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    return Turn(prompt, answer, _texts(stored.get("asked")), _texts(stored.get("said")))


def _comment(part: object) -> Comment | None:
    if not isinstance(part, dict) or not any(isinstance(part.get(key), str) for key in ("community", "text")):
        return None
    finish, problem = part.get("finish"), part.get("problem")
    return Comment(
        _text(part.get("community")) or UNKNOWN,
        _text(part.get("text")) or "",
        cast(Finish, finish) if finish in get_args(Finish) else "stop",
        _usage(part.get("tokens")),
        finite(part.get("seconds")) or 0.0,
        weight=finite(part.get("weight")),
        adapter_sha256=_text(part.get("adapter_sha256")),
        scale=finite(part.get("scale")),
        problem=cast(Any, problem) if problem in _PROBLEMS else None,
    )


def _usage(part: object) -> Usage:
    counts = part if isinstance(part, dict) else {}
    return Usage(*(_count(counts.get(key)) for key in ("prompt", "reused", "completion")))


def _selection(part: object) -> Selection | None:
    if not isinstance(part, dict) or not isinstance(part.get("community"), str):
        return None
    chances = _chances_by_name(part.get("probabilities"))
    method = _text(part.get("method")) or UNKNOWN
    return Selection(part["community"], cast(Any, method), chances, _text(part.get("said")) or "")


def _distribution(part: object) -> Aggregate | None:
    if not isinstance(part, dict):
        return None
    options = tuple(option for option in _list(part.get("options")) if isinstance(option, str))
    p = _chances(part.get("p"), len(options))
    if not options or len(options) != len(_list(part.get("options"))) or p is None:
        return None
    outside, entropy = finite(part.get("unassigned_mass")), finite(part.get("entropy_nats"))
    return Aggregate(
        options,
        p,
        _rows(part.get("per_community"), len(options)),
        _chances_by_name(part.get("weights")) or {},
        math.nan if outside is None else outside,
        -math.fsum(x * math.log(x) for x in p if x) if entropy is None else entropy,
        cast(DistributionMethod, _text(part.get("method")) or UNKNOWN),
        _bounds(part.get("bounds"), len(options)),
        tuple(name for name in _list(part.get("stand_ins")) if isinstance(name, str)),
    )


def _rows(part: object, length: int) -> dict[str, tuple[float, ...]]:
    rows = part.items() if isinstance(part, dict) else ()
    return {name: p for name, row in rows if (p := _chances(row, length)) is not None}


def _bounds(part: object, length: int) -> tuple[tuple[float, float], ...] | None:
    pairs = [_chances(pair, 2) for pair in _list(part)]
    whole = [(pair[0], pair[1]) for pair in pairs if pair is not None]
    return tuple(whole) if len(whole) == len(pairs) == length else None


def _chances(part: object, length: int) -> tuple[float, ...] | None:
    """So many probabilities; None if one is missing or none."""
    numbers = [_chance(value) for value in _list(part)]
    whole = tuple(number for number in numbers if number is not None)
    return whole if len(whole) == len(numbers) == length else None


def _chances_by_name(part: object) -> dict[str, float] | None:
    """A probability for each name; None if one of them is none."""
    if not isinstance(part, dict):
        return None
    chances = {name: p for name, value in part.items() if (p := _chance(value)) is not None}
    return chances if len(chances) == len(part) else None


def _chance(value: object) -> float | None:
    number = finite(value)
    if number is None or not -_ROUNDING <= number <= 1 + _ROUNDING:
        return None
    return min(1.0, max(0.0, number))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> dict[str, str]:
    entries = value.items() if isinstance(value, dict) else ()
    return {voice: text for voice, text in entries if isinstance(text, str)}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_lost(value: object, read: int) -> bool:
    """Whether a list was written of which not every entry was read."""
    return value is not None and (not isinstance(value, list) or read < len(value))
