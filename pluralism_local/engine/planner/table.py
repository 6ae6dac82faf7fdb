"""What was measured of a model on this machine: seconds of a step in every way of running it that was tried.

    WayTimes.step(Way, rows) ──> seconds, between and beyond what was measured by straight lines

A step is one decode call: a token for each of `rows` sequences in every context of the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """`lanes` contexts side by side with `threads` CPU threads each; with flash attention or without."""

    lanes: int
    threads: int
    flash: bool = False

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        contexts = threads if self.lanes == 1 else f"{self.lanes} contexts of {threads}"
        return f"{contexts}, flash attention" if self.flash else contexts


@dataclass(frozen=True, slots=True)
class WayTimes:
    """Medians over rounds in which every way had its turn.

    Attributes:
        prefill: by way, seconds a token of a prompt takes; all lanes' tokens count.
        steps: by way, seconds of a step by rows of each lane.
        spread: how far apart the rounds were: the median over all figures of longest over shortest, 1 or more.
        others: cores that other processes used meanwhile; 0 where the system does not tell.
        seconds: what the measuring took.
    """

    prefill: Mapping[Way, float]
    steps: Mapping[Way, Mapping[int, float]]
    spread: float = 1.0
    others: float = 0.0
    seconds: float = 0.0

    def has(self, way: Way) -> bool:
        """Whether a step of this way can be told."""
        return self._stand_in(way) is not None

    def step(self, way: Way, rows: int) -> float:
        """Seconds of a step of `rows` in each lane.

        For a way that was not measured the nearest one stands in that is not faster: more contexts of as many threads;
        and that with the other kind of attention, which changes little while texts are short.

        Raises: KeyError for a way that `has` denies.
        """
        stand_in = self._stand_in(way)
        if stand_in is None:
            raise KeyError(way)
        return _between(self.steps[stand_in], rows)

    def _stand_in(self, way: Way) -> Way | None:
        alike = [
            other for other in self.steps if other.threads == way.threads and other.lanes >= way.lanes > 1
        ]
        alike += [other for other in self.steps if (other.lanes, other.threads) == (way.lanes, way.threads)]
        return min(alike, key=lambda other: (other.lanes, other.flash != way.flash), default=None)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "ways": [
                {
                    **asdict(way),
                    "prefill_s": self.prefill.get(way),
                    "steps_s": {str(rows): seconds for rows, seconds in steps.items()},
                }
                for way, steps in self.steps.items()
            ],
            "spread": self.spread,
            "others": self.others,
            "seconds": self.seconds,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> WayTimes:
        """What `record` wrote.

        Raises: KeyError, TypeError, ValueError, AttributeError for anything else.
        """
        steps: dict[Way, dict[int, float]] = {}
        prefill: dict[Way, float] = {}
        for entry in record["ways"]:
            way = Way(_count(entry["lanes"]), _count(entry["threads"]), bool(entry["flash"]))
            steps[way] = {_count(int(rows)): _seconds(seconds) for rows, seconds in entry["steps_s"].items()}
            if not steps[way]:
                raise ValueError("a way without a step")
            if entry["prefill_s"] is not None:
                prefill[way] = _seconds(entry["prefill_s"])
        spread, others, seconds = (float(record[name]) for name in ("spread", "others", "seconds"))
        return cls(prefill, steps, spread, others, seconds)


def _between(measured: Mapping[int, float], rows: int) -> float:
    """On straight lines between the measured points; beyond the last two on their line, never below the last."""
    if rows in measured:
        return measured[rows]
    points = sorted(measured.items())
    if len(points) == 1 or rows < points[0][0]:
        return points[0][1]
    (left, low), (right, high) = next(
        (pair for pair in itertools.pairwise(points) if rows < pair[1][0]), (points[-2], points[-1])
    )
    straight = low + (high - low) * (rows - left) / (right - left)
    return max(straight, high) if rows > right else straight


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is no count")
    return value


def _seconds(value: Any) -> float:
    if not 0 < float(value) < 1e6:
        raise ValueError(f"{value!r} are no seconds")
    return float(value)
