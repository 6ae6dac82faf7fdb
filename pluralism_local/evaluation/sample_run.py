"""A sample on its way through a mode, and what became of it.

sample, steps ──SampleRun──> waits with a step ──BatchDriver──> … ──end──> SampleOutcome
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.batch_steps import Waiting
from pluralism_local.evaluation.comments import CommunityComment
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.modes.result_builder import ModelRole
from pluralism_local.modes.steps import Answered, Steps
from pluralism_local.prompts import Prompt
from pluralism_local.types import Side, Usage


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """What became of a sample.

    Attributes:
        usage: by role, "communities" and "llm", comments included whoever paid for them.
        answered: the mode's own end; None for a failure, and where nobody was asked.
        comments: by community id, those that the sample got.
        warnings: of the mode.
        prompts: that were used, in order.
        sides: by community id, of those that took one.
    """

    result: Prediction | RequestFailure
    usage: dict[ModelRole, Usage] = field(default_factory=dict)
    answered: Answered | None = None
    comments: dict[str, CommunityComment] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    sides: dict[str, Side] = field(default_factory=dict)


@dataclass
class SampleRun:
    """A sample on its way. `step` is what it waits for, None once there is a result."""

    sample: Sample
    steps: Steps
    step: Waiting | None = None
    comment_tokens: int | None = None
    result: Prediction | RequestFailure | None = None
    usage: dict[ModelRole, Usage] = field(default_factory=dict)
    answered: Answered | None = None
    comments: dict[str, CommunityComment] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    sides: dict[str, Side] = field(default_factory=dict)

    def spend(self, role: ModelRole, usage: Usage) -> None:
        """Add tokens to a role."""
        self.usage[role] = self.usage.get(role, Usage()) + usage

    def end(self, result: Prediction | RequestFailure) -> None:
        """Close its steps: this came of it."""
        self.steps.close()
        self.step, self.result = None, result
