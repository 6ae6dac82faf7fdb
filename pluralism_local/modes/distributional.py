"""Distributional: d = Σ w_i LLM(options | q, m_i), a model's estimate of a population (Modular Pluralism §2).

    question + options ──> k comments ──> k distributions over the letters, one call ──> Aggregate, Result

What can go wrong: no options, or an LLM without probabilities (both before anything runs); a community that
says nothing is not dropped, since that would change the others' weights.
"""

from __future__ import annotations

from collections.abc import Iterator

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.modes.aggregate import aggregate
from pluralism_local.modes.answering import require_probabilities, settle, weigh
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.budget import Room, fit_comments
from pluralism_local.modes.comments import find_voices, spoken, write_comments
from pluralism_local.modes.draft import Draft
from pluralism_local.modes.options import Posed, pose
from pluralism_local.prompts import COMMENT_EXPLAINED, DISTRIBUTIONAL_ANSWER
from pluralism_local.types import ModeEvent


def run(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """Weigh the options after each community's comment and add them up with the pool's weights.

    The answer is the most probable option's text; there are no answer deltas. A community that said nothing
    keeps its weight: its distribution is that of the question alone, and a warning says so.
    """
    posed = pose(ask.question, ask.options)
    require_probabilities(llm)
    draft = Draft(ask, llm, communities)
    draft.posed(posed)
    voices = find_voices(draft, ask.needed_pool().members, communities)
    blank = DISTRIBUTIONAL_ANSWER.render(comment="", question=posed.text)
    fit_comments(draft, [Room(blank, comments=1, answer=1)])
    question = draft.render(COMMENT_EXPLAINED, question=posed.text)
    yield from write_comments(draft, voices, question, communities=communities, should_stop=should_stop)
    if draft.complete:
        _weigh_each(draft, posed, should_stop)
    yield draft.result()


def _weigh_each(draft: Draft, posed: Posed, should_stop: ShouldStop) -> None:
    texts = {comment.community: posed.text for comment in draft.comments}
    for comment in spoken(draft.comments):
        texts[comment.community] = draft.render(
            DISTRIBUTIONAL_ANSWER, comment=comment.text, question=posed.text
        )
    silent = [community for community, text in texts.items() if text == posed.text]
    if silent:
        draft.warn(
            f"The distribution of the question alone, without a comment, stands in for: {', '.join(silent)}."
        )
    distinct = list(dict.fromkeys(texts.values()))
    found = weigh(draft, distinct, posed.letters, stage="answer", should_stop=should_stop)
    if found is None:
        return
    by_text = dict(zip(distinct, found, strict=True))
    weights = {member.community.id: member.weight for member in draft.ask.needed_pool().members}
    parts = [(community, weights[community], by_text[text]) for community, text in texts.items()]
    settle(draft, aggregate(posed.options, parts), posed.text, should_stop=should_stop)
