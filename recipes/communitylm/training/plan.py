"""A training, decided before any weight is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from communitylm.training.bases import Base
from communitylm.training.configuration import Settings, TrainingValues
from communitylm.training.examples import Example
from pluralism_local.files import digest


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What is common to all trainings' plans.

    Attributes:
        order: training examples, as they will be seen.
        device, precision: resolved; precision is ``"bf16"`` or ``"fp32"``.
        digest: identity of settings, data and base (`digest_of`); a run folder carries it.
    """

    settings: Settings[TrainingValues]
    base: Base
    order: tuple[Example, ...]
    device: str
    precision: str
    digest: str

    @property
    def examples_per_step(self) -> int:
        """Examples that a step of the weights takes in."""
        return self.settings.values.training.batch

    @property
    def steps(self) -> int:
        """Steps of the weights in all."""
        return math.ceil(len(self.order) / self.examples_per_step)

    def by_step(self) -> list[tuple[Example, ...]]:
        """The examples of each step."""
        size = self.examples_per_step
        return [self.order[at : at + size] for at in range(0, len(self.order), size)]


def digest_of(identity: Any) -> str:
    """Hex sha256 of plain values, whatever the order of keys."""
    return digest(identity, escaped=True)  # run folders of earlier versions carry such
