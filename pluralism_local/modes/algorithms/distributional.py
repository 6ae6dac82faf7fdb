"""Distributional: d = Σ w_i LLM(options | q, m_i), a model's estimate of a population (Modular Pluralism §2).

    question + options ──> k comments ──> k distributions over the letters, weighed together ──> Aggregate

A community that says nothing is not dropped, since that would change the others' weights.
"""

from __future__ import annotations

from pluralism_local.modes.aggregate import aggregate
from pluralism_local.modes.options import letters
from pluralism_local.modes.steps import Answered, Case, Consult, Reserve, Room, Steps, Warn, weigh
from pluralism_local.modes.wordings import Q


def distributional(case: Case[Q]) -> Steps:
    """Weigh the options after each community's comment and add them up with the pool's weights.

    A community that said nothing keeps its weight: its distribution is that of the question alone, and a warning
    says so.
    """
    wordings, question = case.wordings, case.question
    yield Reserve((Room(wordings.answer(question, ""), 1, case.room),))
    comments: dict[str, str] = yield Consult(case.voices, wordings.comment(question))
    silent = [voice.id for voice in case.voices if not comments[voice.id]]
    if silent:
        yield Warn(
            f"The distribution of the question alone, without a comment, stands in for: {', '.join(silent)}."
        )
    texts = [
        wordings.answer(question, comments[voice.id]) if comments[voice.id] else wordings.alone(question)
        for voice in case.voices
    ]
    distributions = yield from weigh("answer", texts, letters(len(case.options)))
    parts = [
        (voice.id, voice.member.weight, distribution)
        for voice, distribution in zip(case.voices, distributions, strict=True)
    ]
    return Answered(wordings.vanilla(question), distribution=aggregate(case.options, parts))
