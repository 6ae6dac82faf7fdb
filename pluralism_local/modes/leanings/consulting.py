"""The comment stage of every mode: all voices comment, on the side that they lean to where the ask wants sides.

    Case ──Lean──> leanings ──sides──> what each voice is told ──Consult──> comments

Sides are for questions of yes or no, and for voices that speak through a persona: an adapter is trained on bare
questions. Where they cannot be told, everybody is asked the bare question, and a warning says why.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from pluralism_local.errors import PlocalError
from pluralism_local.modes.leanings.sides import sides
from pluralism_local.modes.leanings.wordings import commented, orders_of
from pluralism_local.modes.steps import Case, Consult, Lean, Step, Told, Warn
from pluralism_local.modes.wordings import Q
from pluralism_local.modes.yes_or_no import asks_whether
from pluralism_local.types import Side


def consult(case: Case[Q]) -> Generator[Step, Any, dict[str, str]]:
    """By voice its comment, stripped, in the pool's order."""
    told: Mapping[str, Told] = {}
    if case.take_sides:
        told = yield from _told(case)
    comments: dict[str, str] = yield Consult(case.voices, case.wordings.comment(case.question), told)
    return comments


def _told(case: Case[Q]) -> Generator[Step, Any, dict[str, Told]]:
    """By voice what it is told, of those that take a side."""
    question = case.question.question
    voices = tuple(voice for voice in case.voices if voice.adapter is None and voice.member.community.persona)
    if not asks_whether(question):
        yield Warn("Voices take sides only on a question that is answered by yes or no; this is another.")
        return {}
    if len(voices) < 2:
        yield Warn(
            "Voices take sides through personas, and fewer than two of this pool speak through one alone."
        )
        return {}
    try:
        leanings: Mapping[str, float] = yield Lean(voices, orders_of(question))
    except PlocalError as error:
        yield Warn(f"Which sides the voices take could not be told: {error.message}")
        return {}
    taken = sides(leanings)
    yield Warn(_sentence(taken))
    return {voice: Told(side, commented(question, side)) for voice, side in taken.items()}


def _sentence(taken: Mapping[str, Side]) -> str:
    if not taken:
        return "No voice was told a side: by the model's probabilities they hardly differ, or all lean the same way."
    names = [
        f"{side}: {', '.join(voice for voice, its in taken.items() if its == side)}"
        for side in ("yes", "no")
        if side in taken.values()
    ]
    return f"Voices were told the side that the model's probabilities lean to for them ({'; '.join(names)})."
