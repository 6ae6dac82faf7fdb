"""Deliberations of people, as questions with viewpoints: what they wrote, and how many agreed with each.

    a Remesh export's CSV ──read_deliberation──> statements by question ──window_rows──> rows of overton-window

The export has a table for each question, one below the other, each with a head of its own. A statement's agreement is
the share of all participants, or of the branch that was asked; some of it is inferred from few votes, as the export's
authors say. Polls and experiences are no viewpoints, and are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular

FEWEST_WORDS, MOST_WORDS = 4, 30
"""Of a statement that can be a viewpoint: shorter ones say nothing alone, longer ones several things."""

_OPINIONS = "Ask Opinion"
_COUNTED = re.compile(r"\(\d+\)\s*$")
"""Ends the name of a column of shares: how many participants they are of."""

_FORM = "It is the *_aggregate.csv of a collective dialogue, as Remesh exports it."


@dataclass(frozen=True, slots=True)
class ParticipantStatement:
    """What a participant wrote, and the share, in [0, 1], of participants that agree."""

    text: str
    agreement: float


def read_deliberation(path: Path) -> dict[str, list[ParticipantStatement]]:
    """By question the statements, in the file's order.

    Raises:
        NotFound, InvalidInput: missing, unreadable, or without any question that opinions were asked about.
    """
    with open_regular(path) as file:
        raw = file.read()
    try:
        lines = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} is no CSV: {error}.", _FORM) from error
    by_question: dict[str, list[ParticipantStatement]] = {}
    head: list[str] = []
    for line in lines:
        if line and line[0] == "Question ID":
            head = line
        elif head and len(line) == len(head):
            row = dict(zip(head, line, strict=True))
            agreement = _agreement(row) if row.get("Question Type") == _OPINIONS else None
            if agreement is not None and "Question" in row and "Responses" in row:
                text = " ".join(row["Responses"].split())
                by_question.setdefault(row["Question"].strip(), []).append(
                    ParticipantStatement(text, agreement)
                )
    if not by_question:
        raise InvalidInput(f"{path} has no question that opinions were asked about.", _FORM)
    return by_question


def window_rows(
    by_question: Mapping[str, Sequence[ParticipantStatement]], *, most: int, support: float
) -> list[dict[str, Any]]:
    """A row for each question with at least one reasonable viewpoint, its statements chosen evenly by agreement.

    Args:
        most: viewpoints of a question at most, at least 1: of those of 4 to 30 words, sorted by agreement, every so
            manyeth, so that what few share is there as well as what most do.
        support: the share of people from which on a viewpoint is reasonable: the Roadmap's "minimum threshold of
            support" (§3.1).
    """
    rows = []
    for question, statements in by_question.items():
        distinct: dict[str, ParticipantStatement] = {}
        for statement in statements:
            if FEWEST_WORDS <= len(statement.text.split()) <= MOST_WORDS:
                distinct.setdefault(statement.text.casefold(), statement)
        ranked = sorted(distinct.values(), key=lambda statement: -statement.agreement)
        chosen = ranked if len(ranked) <= most else [ranked[place] for place in _evenly(len(ranked), most)]
        viewpoints = [
            {
                "text": statement.text,
                "weight": statement.agreement,
                "reasonable": statement.agreement >= support,
            }
            for statement in chosen
        ]
        if any(viewpoint["reasonable"] and viewpoint["weight"] for viewpoint in viewpoints):
            rows.append({"question": question, "viewpoints": viewpoints})
    return rows


def _evenly(count: int, most: int) -> list[int]:
    """`most` places of 0 … count - 1, the first and the last among them if there are two."""
    return [0] if most == 1 else [round(place * (count - 1) / (most - 1)) for place in range(most)]


def _agreement(row: Mapping[str, str]) -> float | None:
    """In the first column that counts participants, as in "All(310)": everybody that was asked. None for no share."""
    return next((_share(text) for name, text in row.items() if _COUNTED.search(name)), None)


def _share(text: str) -> float | None:
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
