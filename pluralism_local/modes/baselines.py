"""The paper's baselines (Modular Pluralism §3, appendix B), as modes of the same signature.

    vanilla     q ──> LLM
    prompting   "Make sure your response reflects diverse values …" + q ──> LLM
    moe         q + experts' descriptions ──> the LLM picks one ──> that community's comment + q ──> LLM

With options each answers by their probabilities instead of in words.
"""

from __future__ import annotations

from collections.abc import Iterator

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.modes.answering import answer, require_probabilities
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.budget import Room, fit_comments
from pluralism_local.modes.choosing import choose
from pluralism_local.modes.comments import find_voices, spoken, write_comments
from pluralism_local.modes.draft import Draft
from pluralism_local.modes.options import Posed, pose
from pluralism_local.prompts import (
    COMMENT_EXPLAINED,
    MOE_ANSWER,
    MOE_SELECT,
    PROMPTING,
    QUESTION,
    Prompt,
    numbered,
)
from pluralism_local.types import ModeEvent, Selected


def vanilla(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """The LLM alone, without any addition. The communities are not used."""
    del communities
    return _alone(ask, QUESTION, llm, should_stop)


def prompting(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """The LLM alone, told to reflect diverse values. The communities are not used."""
    del communities
    return _alone(ask, PROMPTING, llm, should_stop)


def moe(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """The LLM picks the most fitting community by its description; only that one comments."""
    posed = _posed(ask, llm)
    question = posed.text if posed else ask.question
    draft = Draft(ask, llm, communities)
    members = ask.needed_pool().members
    voices = find_voices(draft, members, communities)
    blank = MOE_ANSWER.render(comment="", question=question)
    fit_comments(draft, [Room(blank, 1, 1 if posed else ask.answer.max_tokens)])
    if posed:
        draft.posed(posed)
    else:
        draft.used(QUESTION)
    experts = numbered("Expert", [member.community.expert for member in members], separator="\n")
    selection_text = draft.render(MOE_SELECT, question=question, experts=experts)
    selection = choose(draft, members, selection_text, should_stop=should_stop)
    if selection is not None:
        yield Selected(selection)
        chosen = [voice for voice in voices if voice.id == selection.community]
        text = draft.render(COMMENT_EXPLAINED, question=question) if posed else question
        yield from write_comments(draft, chosen, text, communities=communities, should_stop=should_stop)
        if draft.complete:
            yield from answer(draft, _with_comment(draft, question), posed, should_stop=should_stop)
    yield draft.result()


def _posed(ask: Ask, llm: LanguageModel) -> Posed | None:
    """The question with its options, if there are any, checked before anything runs."""
    if not ask.options:
        return None
    require_probabilities(llm)
    return pose(ask.question, ask.options)


def _alone(ask: Ask, prompt: Prompt, llm: LanguageModel, should_stop: ShouldStop) -> Iterator[ModeEvent]:
    posed = _posed(ask, llm)
    draft = Draft(ask, llm)
    if posed:
        draft.posed(posed)
    text = draft.render(prompt, question=posed.text if posed else ask.question)
    yield from answer(draft, text, posed, should_stop=should_stop)
    yield draft.result()


def _with_comment(draft: Draft, question: str) -> str:
    heard = spoken(draft.comments)
    if not heard:
        draft.warn("The chosen community said nothing; the model answered alone.")
        return question
    return draft.render(MOE_ANSWER, comment=heard[0].text, question=question)
