"""Drawn comments and their positions, to JSON and back.

Draws ──draws_record──> an object of counts and shares ──draws_of──> Draws | None

An object that lacks something, or has it in another form, is not read at all: half a count is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from pluralism_local.display.figures import finite
from pluralism_local.results import DrawnPosition, Draws, Share, StanceMethod


def draws_record(draws: Draws) -> dict[str, Any]:
    """As in a result's JSON."""
    return {
        "n": draws.n,
        "positions": [
            {
                "id": position.id,
                "text": position.text,
                **_share_record(position.share),
                "voices": {
                    voice: {"count": number, **_share_record(position.shares[voice])}
                    for voice, number in position.counts.items()
                },
            }
            for position in draws.positions
        ],
        "silent": dict(draws.silent),
        "entropy_nats": draws.entropy_nats,
        "unseen": draws.unseen,
        "method": draws.method,
        "weights": dict(draws.weights),
        "comments": {voice: list(texts) for voice, texts in draws.comments.items()},
    }


def _share_record(share: Share) -> dict[str, float]:
    return {"share": share.p, "low": share.low, "high": share.high}


def draws_of(part: object) -> Draws | None:
    """What was written; None for else, also without voices, or where a position lacks a voice's count."""
    if not isinstance(part, dict):
        return None
    try:
        draws = Draws(
            n=_count(part["n"]),
            comments={voice: tuple(map(_text, texts)) for voice, texts in part["comments"].items()},
            weights={voice: _number(weight) for voice, weight in part["weights"].items()},
            positions=tuple(map(_position, part["positions"])),
            silent={voice: _count(number) for voice, number in part["silent"].items()},
            entropy_nats=_number(part["entropy_nats"]),
            unseen=_number(part["unseen"]),
            method=_method(part["method"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    voices = draws.comments.keys()
    return draws if voices and all(position.counts.keys() == voices for position in draws.positions) else None


def _position(part: Mapping[str, Any]) -> DrawnPosition:
    voices = part["voices"]
    return DrawnPosition(
        _text(part["id"]),
        _text(part["text"]),
        {voice: _count(own["count"]) for voice, own in voices.items()},
        {voice: _share(own) for voice, own in voices.items()},
        _share(part),
    )


def _share(part: Mapping[str, Any]) -> Share:
    return Share(_number(part["share"]), _number(part["low"]), _number(part["high"]))


def _method(value: object) -> StanceMethod:
    if value not in get_args(StanceMethod):
        raise ValueError(f"{value!r} is no method")
    return cast(StanceMethod, value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


def _number(value: object) -> float:
    number = finite(value)
    if number is None:
        raise TypeError(f"{value!r} is no number")
    return number
