"""Whether several adapters run faster stacked in one batch or apart: both timed once, with the adapters themselves.

    Choices, number of adapters ──timings──> the turns of either way
    turns, TurnTimer of either way ──compare──> Comparison ──remember──> <cache>/plans/<plan>-<adapters>x<rank>.json

Stacked is the rule: it reads the weights once a step for everybody. Apart can win where the stack's ranks are many
beside the model, or few adapters have a core each. So apart is taken only where it was measured to be faster by a
margin. Nothing is measured while the machine is busy; the rule holds then, and the next process may measure.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.planner.choices import GAIN, Choices
from pluralism_local.engine.planner.machine import AGAIN_SECONDS, Machine
from pluralism_local.engine.planner.measure import ROUNDS, TimedTurn, TurnTimer
from pluralism_local.engine.planner.table import Way
from pluralism_local.errors import Cancelled, EngineFailure, PlocalError
from pluralism_local.files import write_atomic


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured of so many adapters.

    Attributes:
        adapters: how many.
        rank: of all of them together.
        stacked_seconds: one new token for each of them takes in one batch.
        apart_seconds: it takes with a batch for each of them.
    """

    adapters: int
    rank: int
    stacked_seconds: float
    apart_seconds: float

    @property
    def is_stacked_faster(self) -> bool:
        """Whether they run stacked: unless apart is faster by a margin."""
        return self.apart_seconds * GAIN >= self.stacked_seconds

    @property
    def why_apart(self) -> str:
        """As a clause; empty if they run stacked."""
        if self.is_stacked_faster:
            return ""
        return f"{self.stacked_seconds / self.apart_seconds:.2f} times as fast here as stacked"

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def timings(choices: Choices, adapters: int) -> tuple[tuple[TimedTurn, int], tuple[TimedTurn, int]]:
    """Stacked and apart: the turn to time, and how many of them give each of the adapters one token."""
    batch = choices.batch_for(adapters)
    rows = min(batch.rows, -(-adapters // batch.lanes))
    waves = -(-adapters // rows)
    lanes = choices.lanes_apart(adapters)
    stacked = TimedTurn(_way(choices, min(batch.lanes, waves)), rows)
    return (stacked, -(-waves // stacked.way.lanes)), (
        TimedTurn(_way(choices, lanes), 1),
        -(-adapters // lanes),
    )


def _way(choices: Choices, lanes: int) -> Way:
    threads = choices.threads if lanes == 1 else max(1, choices.cores // lanes)
    return Way(lanes, threads, choices.flash)


class AdapterPlans:
    """Comparisons for one plan of one model, remembered beside it.

    Args:
        place: the plan's file; None measures nothing.
        choices: how the model runs.
        note: told that measuring begins, which takes a second or some.
    """

    def __init__(
        self,
        place: Path | None,
        choices: Choices,
        *,
        note: Callable[[str], None] = lambda _: None,
        should_stop: ShouldStop = never,
        machine: Machine | None = None,
    ) -> None:
        self._place, self._choices = place, choices
        self._note, self._should_stop, self._machine = note, should_stop, machine or Machine()
        self._decided: dict[tuple[int, int], Comparison | None] = {}

    def comparison(
        self, adapters: int, rank: int, stacked: Callable[[], TurnTimer], apart: Callable[[], TurnTimer]
    ) -> Comparison | None:
        """What is remembered of so many adapters of so many ranks together, measured now if need be.

        None if nothing could be measured; that and all else stays so as long as this object.

        Raises:
            Cancelled: stopped while it was measured.
        """
        if (adapters, rank) not in self._decided:
            self._decided[adapters, rank] = self._comparison(adapters, rank, stacked, apart)
        return self._decided[adapters, rank]

    def _comparison(
        self, adapters: int, rank: int, stacked: Callable[[], TurnTimer], apart: Callable[[], TurnTimer]
    ) -> Comparison | None:
        if self._place is None:
            return None
        place = self._place.with_name(f"{self._place.stem}-{adapters}x{rank}.json")
        remembered, when = _read(place)
        if (
            remembered is not None
            or abs(self._machine.now() - when) < AGAIN_SECONDS
            or self._machine.why_busy()
        ):
            return remembered
        # that it begins is written down first, so that nobody waits for it again and again where it leads to nothing
        begun = {"adapters": adapters, "rank": rank, "when": self._machine.now()}
        if not _write(place, begun):
            return None
        self._note("measuring once whether these adapters run faster together or apart …")
        others = self._machine.others()
        others()
        try:
            measured = compare(self._choices, adapters, rank, stacked, apart, self._should_stop)
        except EngineFailure:
            return None
        if self._machine.why_disturbed(others()):
            return None
        _write(place, {**begun, **measured.record()})
        return measured

    def remembered(self) -> list[Comparison]:
        """All that is remembered of this plan, by the number of adapters."""
        if self._place is None:
            return []
        read = (_read(place)[0] for place in self._place.parent.glob(f"{self._place.stem}-*.json"))
        return sorted(filter(None, read), key=lambda each: (each.adapters, each.rank))

    def forget(self) -> None:
        """Forget it, so that the next ask measures anew."""
        if self._place is not None:
            for place in self._place.parent.glob(f"{self._place.stem}-*.json"):
                with suppress(OSError):
                    place.unlink()


def compare(
    choices: Choices,
    adapters: int,
    rank: int,
    stacked: Callable[[], TurnTimer],
    apart: Callable[[], TurnTimer],
    should_stop: ShouldStop = never,
) -> Comparison:
    """Time both ways in turn; medians of `ROUNDS`.

    Raises:
        Cancelled: `should_stop` turned true.
        EngineFailure: as the steps do.
    """
    ways = timings(choices, adapters)
    taken: list[list[float]] = [[], []]
    with ExitStack() as opened:
        both = [opened.enter_context(closing(steps())) for steps in (stacked, apart)]
        for _ in range(ROUNDS):
            for steps, (turn, times), seconds in zip(both, ways, taken, strict=True):
                if should_stop():
                    raise Cancelled
                seconds.append(times * steps.seconds(turn))
    return Comparison(adapters, rank, *map(statistics.median, taken))


def _read(place: Path) -> tuple[Comparison | None, float]:
    """What the file `place` holds, and when measuring began, in seconds since 1970; None and -∞ without such a file."""
    try:
        record = json.loads(place.read_bytes())
        when = float(record["when"])
        counts = record["adapters"], record["rank"]
        seconds = [float(record.get(name) or 0) for name in ("stacked_seconds", "apart_seconds")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None, -math.inf
    are_counts = all(isinstance(count, int) and count > 0 for count in counts)
    usable = are_counts and all(0 < value < 1e6 for value in seconds)
    return Comparison(*counts, *seconds) if usable else None, when


def _write(place: Path, record: dict[str, Any]) -> bool:
    """Whether it could be written."""
    with suppress(OSError, PlocalError):
        write_atomic(place, json.dumps(record) + "\n")
        return True
    return False
