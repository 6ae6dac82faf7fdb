"""Probabilities and texts as records have them; what is of another form is left out."""

from __future__ import annotations

from pluralism_local.display.figures import finite

_ROUNDING = 1e-6
"""How far outside [0, 1] a probability may lie that was summed in floating point."""


def chances_by_name(part: object) -> dict[str, float] | None:
    """A probability for each name; None if one of them is none."""
    if not isinstance(part, dict):
        return None
    by_name = {name: p for name, value in part.items() if (p := chance(value)) is not None}
    return by_name if len(by_name) == len(part) else None


def chances(part: object, length: int) -> tuple[float, ...] | None:
    """So many probabilities; None if one is missing or none."""
    numbers = [chance(value) for value in (part if isinstance(part, list) else [])]
    whole = tuple(number for number in numbers if number is not None)
    return whole if len(whole) == len(numbers) == length else None


def chance(value: object) -> float | None:
    """A probability; None for what is none."""
    number = finite(value)
    if number is None or not -_ROUNDING <= number <= 1 + _ROUNDING:
        return None
    return min(1.0, max(0.0, number))


def strings(value: object) -> tuple[str, ...]:
    """The texts of a list; none for what is no list."""
    return tuple(text for text in (value if isinstance(value, list) else []) if isinstance(text, str))
