"""The paper's six tasks (Modular Pluralism §4), Overton windows and values: what each reads and how each method asks.

name ──find_task──> Task          file ──reading.read_samples──> Sample…
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.global_opinion_qa import DistributionalGlobalOpinionQA
from pluralism_local.evaluation.tasks.moral_choice import DistributionalMoralChoice
from pluralism_local.evaluation.tasks.opinion_qa import SteerableOpinionQA
from pluralism_local.evaluation.tasks.overton import OvertonJudge, OvertonNli
from pluralism_local.evaluation.tasks.overton_window import OvertonWindow
from pluralism_local.evaluation.tasks.value_kaleidoscope import SteerableValueKaleidoscope
from pluralism_local.evaluation.tasks.values import RelevanceTask, ValenceTask

__all__ = ["TASKS", "Task", "find_task"]

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            OvertonNli(),
            OvertonJudge(),
            OvertonWindow(),
            SteerableValueKaleidoscope(),
            SteerableOpinionQA(),
            DistributionalMoralChoice(),
            DistributionalGlobalOpinionQA(),
            RelevanceTask(),
            ValenceTask(),
        )
    }
)


def find_task(name: str) -> Task:
    """The task of this name, or the only one that begins with it.

    Raises:
        InvalidInput: none or several do.
    """
    matching = [task for task in TASKS if task == name] or [task for task in TASKS if task.startswith(name)]
    if len(matching) == 1 and name:
        return TASKS[matching[0]]
    if len(matching) > 1 and name:
        raise InvalidInput(f"The task '{name}' could be {' or '.join(matching)}.", "Write more of it.")
    raise InvalidInput(f"There is no task '{name}'.", did_you_mean(name, TASKS))
