"""A task: how its rows are read, what each method asks, and how an answer is given.

    row ──sample──> Sample ──comment | vanilla | prompting | moe_* | select | answer | synthesis──> Wording

Wordings are the released code's, word for word (see `prompts`). How the communities' comments come together is
`combine`: "select" one and answer with it (steerable), "average" the distributions after each (distributional), or
"synthesis" of all in one text (Overton).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pluralism_local.errors import Unsupported
from pluralism_local.evaluation.samples import Sample, Where
from pluralism_local.prompts import MOE_ANSWER, MOE_SELECT, QUESTION, Prompt, numbered

Answers = Literal["distribution", "label", "text"]
Combine = Literal["select", "average", "synthesis"]


@dataclass(frozen=True, slots=True)
class Wording:
    """A user message and the prompt that made it."""

    prompt: Prompt
    text: str


def word(prompt: Prompt, **values: str) -> Wording:
    """`prompt` rendered."""
    return Wording(prompt, prompt.render(**values))


class Task(ABC):
    """One of the paper's tasks.

    Attributes:
        name: as on the command line.
        version: raised with every change of what is asked or read; since 2 a stand-in is no label, and a number said
            in words is read as `modes.choosing` does.
        answers: a "distribution" over options, a "label" (one option), or "text".
        combine: see the module.
        prompts: all that its methods use; their hashes are part of a run's identity.
        about: one line for people.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 2
    answers: ClassVar[Answers]
    combine: ClassVar[Combine]
    prompts: ClassVar[tuple[Prompt, ...]]
    about: ClassVar[str]

    @abstractmethod
    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        """Check a row. Raises InvalidInput naming file, row and field."""

    @abstractmethod
    def comment(self, sample: Sample) -> Wording:
        """What a community is asked."""

    @abstractmethod
    def prompting(self, sample: Sample) -> Wording:
        """The baseline that tells the LLM in its prompt."""

    def vanilla(self, sample: Sample) -> Wording:
        """The baseline without any addition."""
        return word(QUESTION, question=sample.question)

    def moe_select(self, sample: Sample, experts: Sequence[str]) -> Wording:
        """Which community should help, from their descriptions."""
        listed = numbered("Expert", experts, separator="\n")
        return word(MOE_SELECT, question=sample.question, experts=listed)

    def moe_answer(self, sample: Sample, comment: str) -> Wording:
        """With the chosen community's comment."""
        return word(MOE_ANSWER, comment=comment, question=sample.question)

    def select(self, sample: Sample, comments: Sequence[str]) -> Wording:
        """Which comment reflects the attribute (combine = "select")."""
        del sample, comments
        raise Unsupported(f"{self.name} selects no comment.")

    def answer(self, sample: Sample, comment: str) -> Wording:
        """With one comment (combine = "select" or "average")."""
        del sample, comment
        raise Unsupported(f"{self.name} does not answer with one comment.")

    def synthesis(self, sample: Sample, comments: Sequence[str]) -> Wording:
        """With all comments (combine = "synthesis")."""
        del sample, comments
        raise Unsupported(f"{self.name} writes no synthesis.")
