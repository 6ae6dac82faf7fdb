"""Fields of a row, checked: what is wrong is named by file, row and field.

    row, field ──text | texts | options | distribution | share | name──> value | InvalidInput

A row that cannot be used stops the reading. It is never dropped and never scored as wrong.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.samples import Where

MOST_OPTIONS = 26
TOLERANCE = 1e-3
"""How far the sum of a distribution may be from 1 without a word."""

ROUNDING = 0.005
"""How far a share that is rounded to two places, as surveys publish them, may be from the true one."""

DataRow = Mapping[str, Any]


def text(row: DataRow, field: str, where: Where) -> str:
    """A text that is not blank, as it stands."""
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise where.fault(field, "must be a text" if field in row else "is missing")
    _check_whole(value, field, where)
    return value


def texts(row: DataRow, field: str, where: Where) -> tuple[str, ...]:
    """A list of at least one text, none blank."""
    items = row.get(field)
    if not isinstance(items, list) or not items:
        raise where.fault(field, "must be a list of texts" if field in row else "is missing")
    for number, item in enumerate(items):
        if not isinstance(item, str) or not item.strip():
            raise where.fault(field, f"has no text at place {number}")
        _check_whole(item, field, where)
    return tuple(items)


def options(row: DataRow, where: Where) -> tuple[str, ...]:
    """The answers of a question, 1 to 26. Published surveys list one twice here and there: letters tell them apart."""
    answers = texts(row, "options", where)
    if len(answers) > MOST_OPTIONS:
        raise where.fault("options", f"has {len(answers)} entries; at most {MOST_OPTIONS} can be weighed")
    return answers


def distribution(row: DataRow, field: str, length: int, where: Where) -> tuple[float, ...]:
    """Probabilities, one per option: finite, not negative, scaled to sum to 1.

    Their sum may be as far from 1 as rounding brings it, to two places or to as many as they have.
    """
    numbers = row.get(field)
    if not isinstance(numbers, list):
        raise where.fault(field, "must be a list of numbers" if field in row else "is missing")
    if len(numbers) != length:
        raise where.fault(field, f"has {len(numbers)} numbers for {length} options")
    for number, value in enumerate(numbers):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise where.fault(field, f"has no number at place {number}")
        if not 0 <= value <= sys.float_info.max:  # nor NaN; whole numbers may be larger
            spelled = str(value)[:20]
            raise where.fault(field, f"has {spelled} at place {number}; a probability is between 0 and 1")
    total = math.fsum(numbers)
    if abs(total - 1) > _tolerance(numbers):
        raise where.fault(
            field,
            f"sums to {total:.6g} and not to 1",
            f"Divide each number by {total:.6g}." if total else "Leave the row out, or give its shares.",
        )
    return tuple(value / total for value in numbers)


def rounded_sum(numbers: object) -> float | None:
    """The sum of a row's shares where it is off by rounding, else None."""
    if not isinstance(numbers, list) or not all(type(value) in (int, float) for value in numbers):
        return None
    total = math.fsum(numbers)
    return total if TOLERANCE < abs(total - 1) <= _tolerance(numbers) else None


def _tolerance(shares: Sequence[float]) -> float:
    """How far from 1 the sum of these may be: half a unit of their last place for each, of the second at most."""
    unit = (
        ROUNDING
        if all(math.isclose(value, round(value, 2), abs_tol=1e-9) for value in shares)
        else ROUNDING / 10
    )
    return max(TOLERANCE, len(shares) * unit) + 1e-9


def share(row: DataRow, field: str, where: Where) -> float | None:
    """A number in [0, 1] that a row may have; None if it does not, or has null."""
    value = row.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise where.fault(field, "must be a number between 0 and 1")
    return float(value)


def name(row: DataRow, field: str, where: Where) -> str | None:
    """A text that a row may have; None if it does not, or has null."""
    value = row.get(field)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise where.fault(field, "must be a text")
    return value


def _check_whole(text: str, field: str, where: Where) -> None:
    """JSON can hold half of a character, which no model is given and no file takes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise where.fault(field, f"has half of a character (a lone surrogate) at {error.start}") from error
