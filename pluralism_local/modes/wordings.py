"""How a question is put: one protocol for the paper's tasks and for what people ask.

    question ──comment | vanilla | prompting | moe_* | select | answer | alone | synthesis──> Wording

`evaluation.tasks` word as the released code does, `AskWordings` as `prompts` has it for free questions. What stands
where nobody commented (`alone`) is the answer's wording without its passage: an attribute is not lost with the comments
(Modular Pluralism §2: response = LLM(q | m, a)).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Protocol, TypeVar

from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.modes.relisting import relisted
from pluralism_local.prompts import (
    COMMENT_EXPLAINED,
    DISTRIBUTIONAL_ANSWER,
    MOE_ANSWER,
    MOE_SELECT,
    OVERTON_ATTRIBUTED,
    OVERTON_CLAIM,
    OVERTON_SENTENCE,
    OVERTON_STANCE,
    OVERTON_STATED,
    OVERTON_SYNTHESIS,
    PROMPTING,
    QUESTION,
    STEERABLE_ALONE,
    STEERABLE_ANSWER,
    STEERABLE_ANSWER_GROUP,
    STEERABLE_ANSWER_NAMED,
    STEERABLE_SELECT,
    Prompt,
    named,
    numbered,
)

VALUES = ("value", "right", "duty")  # the kinds of Value Kaleidoscope


class Asked(Protocol):
    """What is put to models, its options and "Answer:" included."""

    @property
    def question(self) -> str: ...


Q = TypeVar("Q", bound=Asked)


@dataclass(frozen=True, slots=True)
class Wording:
    """A user message and the prompt that made it."""

    prompt: Prompt
    text: str


def word(prompt: Prompt, **values: str) -> Wording:
    """`prompt` rendered."""
    return Wording(prompt, prompt.render(**values))


class Wordings(ABC, Generic[Q]):
    """What models are told about a question of type `Q`."""

    name: ClassVar[str] = "this"

    @abstractmethod
    def comment(self, question: Q) -> Wording:
        """What a community is asked."""

    @abstractmethod
    def prompting(self, question: Q) -> Wording:
        """The baseline that tells the LLM in its prompt."""

    @abstractmethod
    def in_order(self, question: Q, options: tuple[str, ...], order: tuple[int, ...]) -> Q:
        """The question with its options at other places (see `orders`); it lists them behind letters."""

    def vanilla(self, question: Q) -> Wording:
        """The baseline without any addition."""
        return word(QUESTION, question=question.question)

    def alone(self, question: Q) -> Wording:
        """What the LLM is asked where a comment should stand and there is none."""
        return self.vanilla(question)

    def moe_select(self, question: Q, experts: Sequence[str]) -> Wording:
        """Which community should help, from their descriptions."""
        listed = numbered("Expert", experts, separator="\n")
        return word(MOE_SELECT, question=question.question, experts=listed)

    def moe_answer(self, question: Q, comment: str) -> Wording:
        """With the chosen community's comment."""
        return word(MOE_ANSWER, comment=comment, question=question.question)

    def select(self, question: Q, comments: Sequence[str]) -> Wording:
        """Which comment reflects the attribute (steerable)."""
        del question, comments
        raise Unsupported(f"{self.name} selects no comment.")

    def answer(self, question: Q, comment: str) -> Wording:
        """With one comment (steerable, distributional)."""
        del question, comment
        raise Unsupported(f"{self.name} does not answer with one comment.")

    def synthesis(self, question: Q, comments: Sequence[str]) -> Wording:
        """With all comments (overton)."""
        del question, comments
        raise Unsupported(f"{self.name} writes no synthesis.")

    def claim(self, question: Q, comment: str) -> Wording:
        """What a comment comes to (overton)."""
        return word(OVERTON_CLAIM, question=question.question, comment=" ".join(comment.split()))

    def sentence(
        self, question: Q, comments: Mapping[str, str], position: str, supporters: Sequence[str], lead: str
    ) -> Wording:
        """A sentence of the answer, about one position (overton)."""
        return word(
            OVERTON_SENTENCE,
            question=question.question,
            comments=named(comments),
            position=position,
            supporters=", ".join(supporters),
            lead=lead.strip(),
        )

    def attributed(self, question: Q, comments: Mapping[str, str]) -> Wording:
        """What an answer made of such sentences answers (overton)."""
        return word(OVERTON_ATTRIBUTED, question=question.question, comments=named(comments))

    def stance(self, question: Q, text: str, claim: str) -> Wording:
        """What a text about the question does with a claim."""
        return word(OVERTON_STANCE, question=question.question, comment=" ".join(text.split()), claim=claim)

    def stated(self, question: Q, answer: str, claim: str) -> Wording:
        """Whether an answer has a claim in it."""
        return word(OVERTON_STATED, question=question.question, answer=" ".join(answer.split()), claim=claim)


@dataclass(frozen=True, slots=True)
class Attribute:
    """What to steer towards: free text ("rural voters"), a group ("political party: Democrat") or a value ("value:
    honesty"); the last two get the wordings published for OpinionQA and Value Kaleidoscope.

    Attributes:
        kind: what stands before the colon, e.g. "political party" or "value"; empty for free text.
        name: the rest.
    """

    kind: str
    name: str

    @property
    def phrase(self) -> str:
        """As it stands behind "reflect": a group's is the released code's for OpinionQA."""
        if not self.kind:
            return self.name
        if self.kind.lower() in VALUES:
            return f"the {self.kind.lower()} of {self.name}"
        return f"the people of {self.name} in terms of {self.kind}"

    def prompt(self, question: str) -> tuple[Prompt, dict[str, str]]:
        """The prompt of the answer and its fields beside comment and question."""
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
            "Give one with --attribute, e.g. 'rural voters' or 'political party: Democrat'.",
        )
    kind, colon, name = (part.strip() for part in text.partition(": "))
    return Attribute(kind, name) if kind and colon and name else Attribute("", text.strip())


@dataclass(frozen=True, slots=True)
class AskQuestion:
    """A free question. `lists_options`: it ends in its options and "Answer:"; `attribute`: in a mode that steers."""

    question: str
    lists_options: bool
    attribute: Attribute | None = None


class AskWordings(Wordings[AskQuestion]):
    """How a free question is put."""

    def comment(self, question: AskQuestion) -> Wording:
        prompt = COMMENT_EXPLAINED if question.lists_options else QUESTION
        return word(prompt, question=question.question)

    def prompting(self, question: AskQuestion) -> Wording:
        return word(PROMPTING, question=question.question)

    def in_order(
        self, question: AskQuestion, options: tuple[str, ...], order: tuple[int, ...]
    ) -> AskQuestion:
        return replace(question, question=relisted(question.question, options, order))

    def alone(self, question: AskQuestion) -> Wording:
        if question.attribute is None:
            return self.vanilla(question)
        return word(STEERABLE_ALONE, attribute=question.attribute.phrase, question=question.question)

    def select(self, question: AskQuestion, comments: Sequence[str]) -> Wording:
        return word(
            STEERABLE_SELECT,
            attribute="" if question.attribute is None else question.attribute.phrase,
            comments=numbered("Comment", comments),
            count=str(len(comments)),
        )

    def answer(self, question: AskQuestion, comment: str) -> Wording:
        if question.attribute is None:
            return word(DISTRIBUTIONAL_ANSWER, comment=comment, question=question.question)
        prompt, fields = question.attribute.prompt(question.question)
        return word(prompt, comment=comment, question=question.question, **fields)

    def synthesis(self, question: AskQuestion, comments: Sequence[str]) -> Wording:
        return word(OVERTON_SYNTHESIS, question=question.question, passages=numbered("Passage", comments))
