"""Overton: response = LLM(q | m_1..m_k), the range of reasonable answers in one text (Modular Pluralism §2).

    question ──> k comments ──> the LLM reads them all as passages ──> text

What can go wrong: too little context (before anything runs); empty comments are left out.
"""

from __future__ import annotations

from pluralism_local.modes.steps import Case, Consult, Reserve, Room, Steps, Warn, answer
from pluralism_local.modes.wordings import Q


def overton(case: Case[Q]) -> Steps:
    """Answer with what every community said; without any comment the LLM answers alone, with a warning."""
    wordings, question, count = case.wordings, case.question, len(case.voices)
    yield Reserve((Room(wordings.synthesis(question, [""] * count), count, case.room),))
    comments: dict[str, str] = yield Consult(case.voices, wordings.comment(question))
    passages = [text for text in comments.values() if text]
    if passages:
        return (yield from answer(case, wordings.synthesis(question, passages)))
    yield Warn("No community said anything; the model answered alone.")
    return (yield from answer(case, wordings.alone(question)))
