"""A task: how its rows are read, what each method asks, and how an answer is given.

    row ──sample──> Sample ──comment | vanilla | alone | prompting | moe_* | select | answer | synthesis──> Wording

Wordings are the released code's, word for word (see `prompts`), in the protocol of every mode (`modes.wordings`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pluralism_local.evaluation.samples import Sample, Where
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes.steps import Answers
from pluralism_local.modes.wordings import Wordings
from pluralism_local.prompts import Prompt


class Task(Wordings[Sample]):
    """One of the paper's tasks.

    Attributes:
        name: as on the command line.
        version: raised with every change of what is asked or read; since 2 a stand-in is no label, and a number said
            in words is read as `modes.choosing` does; since 3 a method is the mode that people run: where nobody
            comments the attribute stays, and comments that may not fit the LLM's context are shortened.
        answers: its form, see `modes.steps`.
        mode: how the communities' comments come together on it.
        prompts: all that its methods use; their hashes are part of a run's identity.
        about: one line for people.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 3
    answers: ClassVar[Answers]
    mode: ClassVar[ModeName]
    prompts: ClassVar[tuple[Prompt, ...]]
    about: ClassVar[str]

    @abstractmethod
    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        """Check a row. Raises InvalidInput naming file, row and field."""
