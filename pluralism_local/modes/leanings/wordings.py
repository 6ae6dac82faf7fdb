"""What the communities' model is told about sides: to choose one, and to give reasons for it.

question ──orders_of──> Wording of each order ──weighed_alone──> OptionRequest…, behind a persona
question, side ──commented──> Wording
"""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.modes.leanings.reference import REFERENCE
from pluralism_local.modes.leanings.sides import ANSWERS
from pluralism_local.modes.steps import Voice
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import LEANING, LEANING_COMMENT, recurring
from pluralism_local.types import Message, OptionRequest, Side


def orders_of(question: str) -> tuple[Wording, ...]:
    """The question, its two answers in either order."""
    first, second = (answer.lower() for answer in ANSWERS)
    return tuple(
        word(LEANING, question=question, answers=answers)
        for answers in (f"{first} or {second}", f"{second} or {first}")
    )


def commented(question: str, side: Side) -> Wording:
    """What a voice is asked that takes a side."""
    return word(LEANING_COMMENT, question=question, side=side)


def weighed_alone(voice: Voice, question: str, wordings: Sequence[Wording]) -> list[OptionRequest]:
    """Both answers to `question` after each wording, behind the voice's persona and nothing else."""
    persona = voice.member.community.message(question)
    users = [Message("user", wording.text, recurring(wording.text)) for wording in wordings]
    return [OptionRequest((persona, user) if persona else (user,), ANSWERS) for user in users]


def weighed_for_habit(voice: Voice) -> list[OptionRequest]:
    """All that a habit is the mean of."""
    return [
        request for question in REFERENCE for request in weighed_alone(voice, question, orders_of(question))
    ]
