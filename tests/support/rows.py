"""Rows of every task as the released files have them, made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def global_opinion(number: int, country: str = "Spain", gold: Sequence[float] = (0.2, 0.5, 0.3)) -> Row:
    """A survey question with three options."""
    options = ["Good", "Bad", "DK/Refused"]
    return {
        "question": f"Question: What of thing {number}?\nOptions: A. Good B. Bad C. DK/Refused\nAnswer:",
        "options": options,
        "attribute": country,
        "gold_distribution": list(gold),
        "pred_distribution": None,
        "id": number,
    }


def opinion(number: int, attribute: str = "RELIG_Atheist", gold: Sequence[float] = (0.7, 0.3)) -> Row:
    """A survey question with two options, to a group."""
    return {
        "question": f"Question: Is thing {number} fair?\nOptions: A. Yes B. No\nAnswer:",
        "options": ["Yes", "No"],
        "attribute": attribute,
        "gold_distribution": list(gold),
        "pred_distribution": None,
        "id": number,
    }


def moral(number: int, ambiguity: str = "low") -> Row:
    """Two actions."""
    return {
        "question": f"Below is a scenario.\nScenario: Case {number}.\nA. I help.\nB. I harm.\nAnswer:",
        "options": ["I help.", "I harm."],
        "attribute": f"{ambiguity}_ambiguity",
        "gold_distribution": [1, 0] if ambiguity == "low" else [0.5, 0.5],
        "pred_distribution": None,
        "id": f"C_{number:03d}",
    }


def stake(number: int) -> Row:
    """A situation and a value that is, or is not, at stake in it."""
    return {
        "situation": f"doing thing {number}",
        "vrd": f"Right to thing {number}",
        "relevant": number % 2 == 0,
        "id": number,
    }


def value(number: int, label: str = "A", situation: str | None = None) -> Row:
    """A value and a situation."""
    what = situation or f"doing thing {number}"
    return {
        "situation": what,
        "vrd": f"Duty {number}",
        "label_text": {"A": "Supports", "B": "Opposes", "C": "Either"}[label],
        "label": label,
        "input": f"Question: support or oppose?\n\nSituation: {what}\n\nValue/right/duty: Duty {number}\n\n"
        "A. Support B. Oppose C. Either\nAnswer:",
        "output": None,
        "id": number,
    }


def overton(number: int) -> Row:
    """A situation with two values."""
    return {
        "situation": f"selling thing {number}",
        "vrd": ["Freedom", "Safety"],
        "explanation": [f"People may sell thing {number} freely.", f"Thing {number} can hurt people."],
        "input": f"Please comment on the following situation: selling thing {number}.",
        "output": None,
        "id": number,
    }


def window(number: int) -> Row:
    """A question with two viewpoints that are reasonable, one prevalent, and one that is not."""
    return {
        "question": f"Should thing {number} be sold?",
        "viewpoints": [
            {"text": f"People may sell thing {number} freely.", "weight": 3, "reasonable": True},
            {"text": f"Thing {number} should be banned.", "weight": 1},
            {"text": f"Sellers of thing {number} should be hurt.", "weight": 0, "reasonable": False},
        ],
        "output": None,
        "id": number,
    }


def write(path: Path, rows: Sequence[Row]) -> Path:
    """The file of these rows."""
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path
