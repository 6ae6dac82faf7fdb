"""The paper's baselines (Modular Pluralism §3, appendix B), as modes like the others.

    vanilla     q ──> LLM
    prompting   "Make sure your response reflects diverse values …" + q ──> LLM
    moe         q + experts' descriptions ──> the LLM picks one ──> that community's comment + q ──> LLM

With options each answers by their probabilities instead of in words.
"""

from __future__ import annotations

from pluralism_local.modes.selection import choose
from pluralism_local.modes.steps import Case, Consult, Reserve, Room, Steps, Warn
from pluralism_local.modes.weighing import answer
from pluralism_local.modes.wordings import Q


def vanilla(case: Case[Q]) -> Steps:
    """The LLM alone, without any addition. The communities are not used."""
    return (yield from answer(case, lambda listed: case.wordings.vanilla(listed.question)))


def prompting(case: Case[Q]) -> Steps:
    """The LLM alone, told to reflect diverse values. The communities are not used."""
    return (yield from answer(case, lambda listed: case.wordings.prompting(listed.question)))


def moe(case: Case[Q]) -> Steps:
    """The LLM picks the most fitting community by its description; only that one comments."""
    wordings, question = case.wordings, case.question
    yield Reserve((Room(wordings.moe_answer(question, ""), 1, case.room),))
    experts = [voice.member.community.expert for voice in case.voices]
    selection = yield from choose(case, case.voices, wordings.moe_select(question, experts))
    chosen = tuple(voice for voice in case.voices if voice.id == selection.community)
    comments: dict[str, str] = yield Consult(chosen, wordings.comment(question))
    if comment := comments[selection.community]:
        return (
            yield from answer(
                case,
                lambda listed: wordings.moe_answer(listed.question, listed.comment(comment)),
                selection,
            )
        )
    yield Warn("The chosen community said nothing; the model answered alone.")
    return (yield from answer(case, lambda listed: wordings.vanilla(listed.question), selection))
