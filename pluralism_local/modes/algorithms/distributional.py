"""Distributional: d = Σ w_i LLM(options | q, m_i), a model's estimate of a population (Modular Pluralism §2).

    question + options ──> k comments ──> k distributions in each order of the options, weighed together ──> Aggregate

A community that says nothing is not dropped, since that would change the others' weights.
"""

from __future__ import annotations

from pluralism_local.modes.aggregate import aggregate
from pluralism_local.modes.leanings.consulting import consult
from pluralism_local.modes.steps import Answered, Case, Reserve, Room, Steps, Warn
from pluralism_local.modes.weighing import Listed, Put, weigh_options
from pluralism_local.modes.wordings import Q, Wording


def distributional(case: Case[Q]) -> Steps:
    """Weigh the options after each community's comment and add them up with the pool's weights.

    A community that said nothing keeps its weight: its distribution is that of the question alone, and a warning
    says so.
    """
    wordings, question = case.wordings, case.question
    yield Reserve((Room(wordings.answer(question, ""), 1, case.room),))
    comments = yield from consult(case)
    silent = [voice.id for voice in case.voices if not comments[voice.id]]
    if silent:
        yield Warn(
            f"The distribution of the question alone, without a comment, stands in for: {', '.join(silent)}."
        )
    weighed = yield from weigh_options(case, [_with(comments[voice.id]) for voice in case.voices])
    parts = [(voice.id, voice.member.weight, part) for voice, part in zip(case.voices, weighed, strict=True)]
    return Answered(wordings.vanilla(question), distribution=aggregate(case.options, parts))


def _with(comment: str) -> Put[Q]:
    """The question with this comment; alone where it is empty."""

    def put(listed: Listed[Q]) -> Wording:
        wordings = listed.case.wordings
        if not comment:
            return wordings.alone(listed.question)
        return wordings.answer(listed.question, listed.comment(comment))

    return put
