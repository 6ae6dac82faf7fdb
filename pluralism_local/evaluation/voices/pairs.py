"""Voices that stand on opposite sides of one register: ``press-left`` and ``press-right``.

ids ──find_pairs──> [VoicePair]: what ends in -left with the same in -right
"mine-left:mine-right" ──parse_pair──> VoicePair
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pluralism_local.errors import InvalidInput

_LEFT, _RIGHT = "left", "right"


@dataclass(frozen=True, slots=True)
class VoicePair:
    """Ids of a left and a right voice; `register` is what they have in common."""

    register: str
    left: str
    right: str


def find_pairs(ids: Sequence[str]) -> list[VoicePair]:
    """The pairs among `ids`, in their order; an id is ``left`` or ends in ``-left``."""
    pairs = []
    for id in ids:
        stem, dash, side = id.rpartition("-")
        other = f"{stem}{dash}{_RIGHT}"
        if side == _LEFT and other in ids:
            pairs.append(VoicePair(stem or f"{_LEFT}/{_RIGHT}", id, other))
    return pairs


def parse_pair(text: str, ids: Sequence[str]) -> VoicePair:
    """``LEFT:RIGHT``, both of them among `ids`.

    Raises:
        InvalidInput: not of this form, or a voice that is not there.
    """
    left, colon, right = (part.strip() for part in text.partition(":"))
    if not (colon and left and right) or left == right:
        raise InvalidInput(f"'{text}' is no pair of voices.", "Write --pair LEFT:RIGHT with two ids.")
    missing = [id for id in (left, right) if id not in ids]
    if missing:
        raise InvalidInput(f"No voice is called {' or '.join(missing)}.", f"The voices are {', '.join(ids)}.")
    return VoicePair(f"{left}/{right}", left, right)
