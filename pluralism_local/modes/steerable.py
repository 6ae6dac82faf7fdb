"""Steerable: m = select(m_1..m_k | LLM, q, a), response = LLM(q | m, a) (Modular Pluralism §2).

    question ──> k comments ──> the LLM picks the one nearest to the attribute ──> Selected
             ──> the LLM answers with that comment: AnswerDelta…, or the options' probabilities ──> Result

An attribute is free text ("rural voters"), a group ("political party: Democrat") or a value ("value:
honesty"); the last two get the wordings published for OpinionQA and Value Kaleidoscope.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import InvalidInput
from pluralism_local.modes.answering import answer, require_probabilities
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.budget import Room, fit_comments
from pluralism_local.modes.choosing import WORDS, choose
from pluralism_local.modes.comments import find_voices, spoken, write_comments
from pluralism_local.modes.draft import Draft
from pluralism_local.modes.options import Posed, pose
from pluralism_local.prompts import (
    COMMENT_EXPLAINED,
    QUESTION,
    STEERABLE_ALONE,
    STEERABLE_ANSWER,
    STEERABLE_ANSWER_GROUP,
    STEERABLE_ANSWER_NAMED,
    STEERABLE_SELECT,
    Prompt,
    numbered,
)
from pluralism_local.types import ModeEvent, Selected

VALUES = ("value", "right", "duty")  # the kinds of Value Kaleidoscope


@dataclass(frozen=True, slots=True)
class Attribute:
    """What to steer towards.

    Attributes:
        kind: what stands before the colon, e.g. "political party" or "value"; empty for free text.
        name: the rest.
    """

    kind: str
    name: str

    @property
    def phrase(self) -> str:
        """As "Which of the following comments best reflect …?" needs it."""
        if not self.kind:
            return self.name
        if self.kind.lower() in VALUES:
            return f"the {self.kind.lower()} of {self.name}"
        return f"the people of {self.name} in terms of {self.kind}"

    def prompt(self, question: str) -> tuple[Prompt, dict[str, str]]:
        """The prompt for the answer, and its fields about the attribute."""
        if not self.kind:
            return STEERABLE_ANSWER, {"attribute": self.name}
        if self.kind.lower() not in VALUES:
            return STEERABLE_ANSWER_GROUP, {"category": self.kind, "attribute": self.name}
        if self.name.lower() in question.lower():
            return STEERABLE_ANSWER_NAMED, {}
        return STEERABLE_ANSWER, {"attribute": self.phrase}


def read_attribute(text: str | None) -> Attribute:
    """Split "kind: name"; text without a colon is a name.

    Raises:
        InvalidInput: none given, or blank.
    """
    if text is None or not text.strip():
        raise InvalidInput(
            "The mode steerable needs an attribute to steer towards.",
            "Give one, e.g. --attribute 'rural voters' or --attribute 'political party: Democrat'.",
        )
    kind, colon, name = (part.strip() for part in text.partition(": "))
    return Attribute(kind, name) if kind and colon and name else Attribute("", text.strip())


def run(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """Answer with the one comment that the LLM finds nearest to the attribute.

    With options the answer is the most probable one, and there are no answer deltas. Empty comments cannot be
    chosen; without any comment the LLM answers alone, and a warning says so.
    """
    attribute = read_attribute(ask.attribute)
    posed = pose(ask.question, ask.options) if ask.options else None
    question = posed.text if posed else ask.question
    if posed:
        require_probabilities(llm)
    draft = Draft(ask, llm, communities)
    voices = find_voices(draft, ask.needed_pool().members, communities)
    fit_comments(draft, _rooms(ask, attribute, question, len(voices)))
    if posed:
        draft.posed(posed)
    else:
        draft.used(QUESTION)
    text = draft.render(COMMENT_EXPLAINED, question=question) if posed else question
    yield from write_comments(draft, voices, text, communities=communities, should_stop=should_stop)
    if draft.complete:
        yield from _choose_and_answer(draft, attribute, posed, should_stop)
    yield draft.result()


def _rooms(ask: Ask, attribute: Attribute, question: str, count: int) -> list[Room]:
    prompt, fields = attribute.prompt(question)
    answer = prompt.render(comment="", question=question, **fields)
    return [
        Room(_selection(attribute, [""] * count), count, WORDS.max_tokens),
        Room(answer, 1, 1 if ask.options else ask.answer.max_tokens),
    ]


def _selection(attribute: Attribute, comments: Sequence[str]) -> str:
    return STEERABLE_SELECT.render(
        attribute=attribute.phrase, comments=numbered("Comment", comments), count=str(len(comments))
    )


def _choose_and_answer(
    draft: Draft, attribute: Attribute, posed: Posed | None, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    question = posed.text if posed else draft.ask.question
    heard = {comment.community: comment.text for comment in spoken(draft.comments)}
    if heard:
        members = [member for member in draft.ask.needed_pool().members if member.community.id in heard]
        if len(members) > 1:
            draft.used(STEERABLE_SELECT)
        selection = choose(
            draft, members, _selection(attribute, list(heard.values())), should_stop=should_stop
        )
        if selection is None:
            return
        yield Selected(selection)
        prompt, fields = attribute.prompt(question)
        text = draft.render(prompt, comment=heard[selection.community], question=question, **fields)
    else:
        draft.warn("No community said anything; the model answered alone.")
        text = draft.render(STEERABLE_ALONE, attribute=attribute.phrase, question=question)
    yield from answer(draft, text, posed, should_stop=should_stop)
