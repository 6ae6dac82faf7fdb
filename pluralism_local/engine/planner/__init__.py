"""How a model is run on this machine: measured once, chosen by what was measured, remembered.

    Model ──measure──> Table (seconds of steps, by threads, contexts side by side, flash attention, rows)
    Table, fixed rules ──choose──> Choices ──remember──> <cache>/plans/<key>.json

`Choices.of_rules` are the rules that hold without measurements: on a GPU, for a folder that cannot be written, after a
measurement that ran out of time or was disturbed. What is remembered never changes by itself, so that the same seed
gives the same text as long as processor, library, model and options are the same.
"""

from pluralism_local.engine.planner.choices import Batch, Choices, choose
from pluralism_local.engine.planner.first_use import Planned, plan_model
from pluralism_local.engine.planner.measure import ContextSteps, NotMeasured, Turn, measure, turns
from pluralism_local.engine.planner.memory import PLANS, Machine, Planner, Remembered, read_plan
from pluralism_local.engine.planner.table import Table, Way

__all__ = [
    "PLANS",
    "Batch",
    "Choices",
    "ContextSteps",
    "Machine",
    "NotMeasured",
    "Planned",
    "Planner",
    "Remembered",
    "Table",
    "Turn",
    "Way",
    "choose",
    "measure",
    "plan_model",
    "read_plan",
    "turns",
]
