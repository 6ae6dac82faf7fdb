"""How a model is run on this machine: measured once, chosen by what was measured, remembered.

    Model ──measure──> WayTimes (seconds of steps, by threads, contexts side by side, flash attention, rows)
    WayTimes, fixed rules ──choose──> Choices ──remember──> <cache>/plans/<key>.json
    Choices, a set of adapters ──compare──> stacked or apart ──remember──> beside it, at their first use

`Choices.of_rules` are the rules that hold without measurements: on a GPU, for a folder that cannot be written, after a
measurement that ran out of time or was disturbed. What is remembered never changes by itself, so that the same seed
gives the same text as long as processor, library, model and options are the same.

Left out, since it decides nothing here: 8-bit keys and values, which need flash attention. By processor seconds of
one thread (AVX-512, a text of 128 tokens, in turn with F16) a step of one row takes 0.95 times as long with them, of
8 rows 1.04 to 1.07, of 16 rows 1.07 to 1.10; the memory of keys and values is bounded by how many run together. And a
threadpool of llama.cpp's own: a build with OpenMP, as Linux has it, starts its threads through that and never looks
at the pool's `poll`.
"""

from pluralism_local.engine.planner.adapters import AdapterPlans, Comparison
from pluralism_local.engine.planner.choices import Batch, Choices, choose
from pluralism_local.engine.planner.first_use import Planned, plan_model
from pluralism_local.engine.planner.machine import Machine
from pluralism_local.engine.planner.measure import ContextSteps, NotMeasured, TimedTurn, Worn, measure, turns
from pluralism_local.engine.planner.memory import PLANS, Planner, Remembered, read_plan
from pluralism_local.engine.planner.table import Way, WayTimes

__all__ = [
    "PLANS",
    "AdapterPlans",
    "Batch",
    "Choices",
    "Comparison",
    "ContextSteps",
    "Machine",
    "NotMeasured",
    "Planned",
    "Planner",
    "Remembered",
    "TimedTurn",
    "Way",
    "WayTimes",
    "Worn",
    "choose",
    "measure",
    "plan_model",
    "read_plan",
    "turns",
]
