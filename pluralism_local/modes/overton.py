"""Overton: response = LLM(q | m_1..m_k), the range of reasonable answers in one text (Modular Pluralism §2).

    question ──> k comments ──> the LLM reads them all as passages ──> AnswerDelta…, Result

What can go wrong: no pool, too little context (both before anything runs); empty comments are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.modes.answering import write_answer
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.budget import Room, fit_comments
from pluralism_local.modes.comments import find_voices, spoken, write_comments
from pluralism_local.modes.draft import Draft
from pluralism_local.prompts import OVERTON_SYNTHESIS, QUESTION, numbered
from pluralism_local.types import ModeEvent


def run(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """Answer with what every community said; without any comment the LLM answers alone, with a warning."""
    draft = Draft(ask, llm, communities)
    voices = find_voices(draft, ask.needed_pool().members, communities)
    blank = OVERTON_SYNTHESIS.render(question=ask.question, passages=numbered("Passage", [""] * len(voices)))
    fit_comments(draft, [Room(blank, len(voices), ask.answer.max_tokens)])
    question = draft.render(QUESTION, question=ask.question)
    yield from write_comments(draft, voices, question, communities=communities, should_stop=should_stop)
    if draft.complete:
        yield from write_answer(draft, _synthesis(draft), should_stop=should_stop)
    yield draft.result()


def _synthesis(draft: Draft) -> str:
    passages = [comment.text for comment in spoken(draft.comments)]
    question = draft.ask.question
    if not passages:
        draft.warn("No community said anything; the model answered alone.")
        return draft.render(QUESTION, question=question)
    return draft.render(OVERTON_SYNTHESIS, question=question, passages=numbered("Passage", passages))
