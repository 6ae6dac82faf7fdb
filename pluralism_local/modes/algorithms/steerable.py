"""Steerable: m = select(m_1..m_k | LLM, q, a), response = LLM(q | m, a) (Modular Pluralism §2).

question ──> k comments ──> the LLM picks the one nearest to the attribute ──> Selected
         ──> the LLM answers with that comment: a text, or the options' probabilities
"""

from __future__ import annotations

from pluralism_local.modes.leanings.consulting import consult
from pluralism_local.modes.selection import WORDS, choose
from pluralism_local.modes.steps import Case, Reserve, Room, Steps, Warn
from pluralism_local.modes.weighing import answer
from pluralism_local.modes.wordings import Q


def steerable(case: Case[Q]) -> Steps:
    """Answer with the one comment that the LLM finds nearest to the attribute.

    Empty comments cannot be chosen; without any comment the LLM answers alone, and a warning says so.
    """
    wordings, question, count = case.wordings, case.question, len(case.voices)
    yield Reserve(
        (
            Room(wordings.select(question, [""] * count), count, WORDS.max_tokens),
            Room(wordings.answer(question, ""), 1, case.room),
        )
    )
    comments = yield from consult(case)
    able = [voice for voice in case.voices if comments[voice.id]]
    if not able:
        yield Warn("No community said anything; the model answered alone.")
        return (yield from answer(case, lambda listed: wordings.alone(listed.question)))
    listed = wordings.select(question, [comments[voice.id] for voice in able])
    selection = yield from choose(case, able, listed)
    comment = comments[selection.community]
    return (
        yield from answer(
            case, lambda listed: wordings.answer(listed.question, listed.comment(comment)), selection
        )
    )
