"""What is measured of an open model, and what is tried in a child process before that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pluralism_local.engine.handles import Model
from pluralism_local.engine.model_safety import ModelSafety, Setup
from pluralism_local.engine.planner.adapters import AdapterPlans
from pluralism_local.engine.planner.choices import Choices
from pluralism_local.engine.planner.measure import ContextSteps, TimedTurn, turns
from pluralism_local.engine.planner.memory import Planner, Remembered


@dataclass(frozen=True, slots=True)
class Planned:
    """How a model runs: by `rules`, or as `remembered` says; several adapters on it as `adapters` does."""

    rules: Choices
    remembered: Remembered
    adapters: AdapterPlans

    @property
    def choices(self) -> Choices:
        """What holds."""
        return self.remembered.choices or self.rules


def plan_model(
    model: Model, setup: Setup, identity: str, planner: Planner, safety: ModelSafety, threads: int, lanes: int
) -> Planned:
    """The plan of `model` as it was opened, with so many threads and contexts side by side at most.

    Raises: Cancelled
    """
    if setup.one_thread:
        threads = lanes = 1
    rules = Choices.of_rules(threads, lanes, flash=setup.flash)
    if model.on_gpu or setup.one_thread:
        reason = "it runs on a GPU" if model.on_gpu else "it runs with one thread only"
        return Planned(rules, Remembered(None, reason=reason), AdapterPlans(None, rules))

    def what() -> Sequence[TimedTurn]:
        # what runs with flash attention was seen to run without; the other way it has to be tried
        other_way = replace(setup, flash=True)
        other = setup.flash or safety.setup(model.path, identity, other_way) == other_way
        return turns(threads, lanes, flash=setup.flash, other_flash=other)

    remembered = planner.plan(identity, model.path.name, rules, lanes, what, lambda: ContextSteps(model))
    choices = remembered.choices or rules
    return Planned(rules, remembered, planner.adapter_plans(identity, rules, choices))
