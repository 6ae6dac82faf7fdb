"""The plan of a model on this machine: measured at its first use, then read; never measured while the machine is busy.

    identity, rules ──remembered?──> Choices                                           (a file is read)
            ├─ not tried, machine quiet, folder writable: measure ──┬─ rounds agree, nobody else at work ──> kept
            │                                                       └─ else ──> rules; again after a day or later
            └─ else ──> rules

That a measurement begins is written down first. So one that ended the process, or that somebody stopped, is not begun
again at the next use, and where nothing can be written nobody waits for a measurement again and again. The key is all
that decides how fast kernels are (`kernel_safety.machine_key`), the model's identity, and what the user fixed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.kernel_safety import machine_key
from pluralism_local.engine.planner.adapters import AdapterPlans
from pluralism_local.engine.planner.choices import Choices, choose
from pluralism_local.engine.planner.machine import AGAIN_SECONDS, Machine
from pluralism_local.engine.planner.measure import LIMIT_SECONDS, NotMeasured, TimedTurn, TurnTimer, measure
from pluralism_local.engine.planner.table import WayTimes
from pluralism_local.errors import EngineFailure, PlocalError
from pluralism_local.files import key_of, write_atomic

PLANS = "plans"
"""Folder of the cache that plans are remembered in."""

_SCHEMA = 2

_SPREAD = 1.25
"""Rounds that differ by more are no measurement."""

_INTERRUPTED = "it was interrupted"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a file of plans holds.

    Attributes:
        choices: None if nothing was chosen.
        table: what they were chosen by.
        reason: why nothing was, as a clause; "" if something was.
        lasting: whether another try would end alike.
        when: seconds since 1970.
        name: the model file's, for people.
    """

    choices: Choices | None
    table: WayTimes | None = None
    reason: str = ""
    lasting: bool = False
    when: float = 0.0
    name: str = ""


class Planner:
    """Remembers plans in `folder`; None measures nothing.

    Args:
        again: measure whatever is remembered, and on a busy machine too; what is remembered gives way to a better one.
        note: told that measuring begins, which takes seconds.
        measuring: `measure.measure`, or what stands in for it.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        again: bool = False,
        note: Callable[[str], None] = lambda _: None,
        should_stop: ShouldStop = never,
        machine: Machine | None = None,
        measuring: Callable[..., WayTimes] = measure,
    ) -> None:
        self._folder, self._again = folder, again
        self._note, self._should_stop = note, should_stop
        self._machine, self._measuring = machine or Machine(), measuring

    def plan(
        self,
        identity: str,
        name: str,
        rules: Choices,
        most_lanes: int,
        turns: Callable[[], Sequence[TimedTurn]],
        steps: Callable[[], TurnTimer],
    ) -> Remembered:
        """How to run the model that `identity` tells from others, the first time by measuring `turns()` on `steps()`.

        Raises:
            Cancelled: stopped while it was measured.
        """
        if self._folder is None:
            return self._failed(name, "plans are switched off")
        place = self._place(identity, rules)
        remembered = read_plan(place)
        if not self._again:
            if remembered is not None and not self._may_try_again(remembered):
                return remembered
            if busy := self._machine.why_busy():
                return self._failed(name, busy)
        if not _write(place, self._failed(name, _INTERRUPTED)):
            return self._failed(name, "it could not be remembered")
        self._note("measuring once how this machine runs the model fastest …")
        measured = self._measured(name, rules, most_lanes, turns, steps)
        is_worse = measured.choices is None and remembered is not None and remembered.choices is not None
        _write(place, remembered if remembered is not None and is_worse else measured)
        return measured

    def _measured(
        self,
        name: str,
        rules: Choices,
        most_lanes: int,
        turns: Callable[[], Sequence[TimedTurn]],
        steps: Callable[[], TurnTimer],
    ) -> Remembered:
        plan = turns()  # may try something in a child process, which would count as somebody else's work
        others = self._machine.others()
        others()

        def disturbed() -> str:
            return self._machine.why_disturbed(others())

        try:
            with closing(steps()) as opened:
                table = self._measuring(
                    plan,
                    opened,
                    # who asked for it wants to see it, whatever it is worth
                    disturbed=(lambda: "") if self._again else disturbed,
                    limit=LIMIT_SECONDS * (2 if self._again else 1),
                    should_stop=self._should_stop,
                )
        except NotMeasured as error:
            busy = disturbed()
            return self._failed(name, busy or error.reason, lasting=error.lasting and not busy)
        except EngineFailure as error:
            return self._failed(name, error.message.rstrip("."))
        reason = disturbed()
        if not reason and table.spread > _SPREAD:
            reason = f"its rounds differ by {table.spread - 1:.0%}"
        choices = None if reason else choose(table, rules, most_lanes)
        return Remembered(choices, table, reason, False, self._machine.now(), name)

    def adapter_plans(self, identity: str, rules: Choices, choices: Choices) -> AdapterPlans:
        """What is remembered of adapters on the model that `identity` tells from others, run by `choices`."""
        place = None if self._folder is None else self._place(identity, rules)
        plans = AdapterPlans(
            place, choices, note=self._note, should_stop=self._should_stop, machine=self._machine
        )
        if self._again:
            plans.forget()
        return plans

    def _place(self, identity: str, rules: Choices) -> Path:
        """The file of a model with what the user fixed."""
        parts = f"{_SCHEMA} {machine_key()} {identity} {rules!r}"
        return (self._folder or Path()) / f"{key_of(parts)}.json"

    def _may_try_again(self, remembered: Remembered) -> bool:
        if remembered.choices is not None or remembered.lasting:
            return False
        return abs(self._machine.now() - remembered.when) > AGAIN_SECONDS

    def _failed(self, name: str, reason: str, *, lasting: bool = False) -> Remembered:
        return Remembered(None, None, reason, lasting, self._machine.now(), name)


def read_plan(place: Path) -> Remembered | None:
    """What the file `place` holds; None if there is none, or a damaged one."""
    try:
        record: Any = json.loads(place.read_bytes())
        choices = None if record["choices"] is None else Choices.from_record(record["choices"])
        table = None if record["table"] is None else WayTimes.from_record(record["table"])
        when = float(record["when"])
        return Remembered(
            choices, table, str(record["reason"]), bool(record["lasting"]), when, str(record["name"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _write(place: Path, remembered: Remembered) -> bool:
    record = {
        "choices": None if remembered.choices is None else remembered.choices.record(),
        "table": None if remembered.table is None else remembered.table.record(),
        "reason": remembered.reason,
        "lasting": remembered.lasting,
        "when": remembered.when,
        "name": remembered.name,
    }
    with suppress(OSError, PlocalError):
        write_atomic(place, json.dumps(record) + "\n")
        return True
    return False
