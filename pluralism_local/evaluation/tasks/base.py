"""A task: how its rows are read, what each method asks, and how an answer is given.

    row ──sample──> Sample ──comment | vanilla | alone | prompting | moe_* | select | answer | synthesis──> Wording

Wordings are the released code's, word for word (see `prompts`), in the protocol of every mode (`modes.wordings`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pluralism_local.evaluation.parsing import NONE, read_letter
from pluralism_local.evaluation.samples import Sample, Viewpoint, Where
from pluralism_local.evaluation.tasks.facts import Papers, Partition
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import algorithm
from pluralism_local.modes.relisting import relisted
from pluralism_local.modes.steps import AnswerForm, Case, Steps
from pluralism_local.modes.wordings import Wordings


class SampleWordings(Wordings[Sample]):
    """How samples are put. `answers`: the form of their answers, see `modes.steps`."""

    answers: ClassVar[AnswerForm]

    def algorithm(self, mode: ModeName) -> Callable[[Case[Any]], Steps]:
        """The steps by which a mode answers a sample."""
        return algorithm(mode)

    def in_order(self, question: Sample, options: tuple[str, ...], order: tuple[int, ...]) -> Sample:
        return replace(question, question=relisted(question.question, options, order))


class Task(SampleWordings):
    """One of the paper's tasks.

    Attributes:
        name: as on the command line.
        version: raised with every change of what is asked or read; since 2 a stand-in is no label, and a number said
            in words is read as `modes.selection` does; since 3 a method is the mode that people run: where nobody
            comments the attribute stays, and comments that may not fit the LLM's context are shortened.
        mode: how the communities' comments come together on it.
        about: one line for people.
        headline: the figures it is about; the first is a mean over samples, on which methods and pools are paired.
        also: what tables show after these; a report draws them in sections of their own.
        clusters: what its samples are samples of, in the plural: intervals resample these.
        partitions: how its samples divide.
        gold: whose the gold distributions are: people's, or a target that nobody was asked for.
        undecided: the label without which a label's binary metrics are computed; None for no such label.
        positive: the label by whose probability samples are ranked, where they are; None for no ranking.
        heard: whether communities have a part in it; where none has, its only method is the LLM alone.
        weighings: prompts that the LLM alone weighs for a sample, in one order of its options.
        papers: published figures.
        judged: what it is about are a judge's comparisons; rows alone have no score.
        windows: answered by text, its figures are those of Overton windows, and not the paper's of coverage.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 3
    mode: ClassVar[ModeName]
    about: ClassVar[str]
    headline: ClassVar[tuple[str, ...]]
    also: ClassVar[tuple[str, ...]] = ()
    clusters: ClassVar[str] = "questions"
    partitions: ClassVar[tuple[Partition, ...]] = ()
    gold: ClassVar[Literal["people", "target"]] = "people"
    undecided: ClassVar[str | None] = None
    positive: ClassVar[str | None] = None
    heard: ClassVar[bool] = True
    weighings: ClassVar[int] = 1
    papers: ClassVar[Papers] = Papers()
    judged: ClassVar[bool] = False
    windows: ClassVar[bool] = False

    @abstractmethod
    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        """Check a row. Raises InvalidInput naming file, row and field."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The figures of its tables, in order."""
        return (*self.headline, *self.also)

    def viewpoints(self, sample: Sample) -> tuple[Viewpoint, ...]:
        """What a response could state, of a task that is answered by text."""
        raise TypeError(f"{self.name} has no viewpoints: {sample.id}")

    def rows(self, rows: Sequence[dict[str, Any]], file: str) -> Sequence[dict[str, Any]]:
        """The rows that are asked, of those that a file has; raises InvalidInput as `sample`."""
        del file
        return rows

    def read_label(self, text: str) -> str:
        """The letter of the option that a written answer names, else `parsing.NONE`."""
        return read_letter(text) or NONE

    def who(self, sample: Sample) -> str:
        """Whose answers the gold distribution is, in words."""
        return sample.attribute or ""

    def data_warnings(self, samples: Sequence[Sample]) -> list[str]:
        """Sentences about what can be used and is probably not meant."""
        del samples
        return []
