"""How to run: what was measured, against the rules that hold without measurements. Pure.

    WayTimes, Choices.of_rules ──choose──> Choices: threads, flash attention, lanes and rows for every number of jobs

The rule's own choice stays unless another is faster by a margin: what differs by less is noise, and another number of
threads or flash attention moves the last bits of results. So by the table no choice is slower than the rule's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from pluralism_local.engine.planner.table import Way, WayTimes

MOST_JOBS = 32
"""Numbers of jobs that are planned for one by one; more are planned for as so many."""

MOST_ROWS = 16
"""Sequences of a batch at most: more gain little on a CPU, and each costs a row of logits."""

_LANE_JOBS = 3
"""Jobs of one batch that a lane should have at least, by rule: with fewer the weights are read too often."""

_ROWS = (MOST_ROWS, 8, 4)

Choice = TypeVar("Choice")

GAIN, _FLASH_GAIN = 1.05, 1.10
"""How many times as fast as the rule's a choice must be."""

_PROMPT, _COMMENTS, _COMMENT, _ANSWER = 600, 6, 128, 200
"""The ask that threads and flash attention are chosen for: prompt tokens, comments, tokens of each, of the answer."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that could be one batch run in `lanes` contexts side by side, at most `rows` of them in a context."""

    lanes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Choices:
    """How a model runs.

    Attributes:
        threads: CPU threads of a context that works alone.
        cores: CPU threads that contexts side by side share out.
        flash: flash attention.
        batches: for 1, 2, … jobs that could be one batch; more are run as the last says.
        apart: for 1, 2, … batches that cannot be one, how many run side by side; likewise.
        row_costs: seconds of a step of 1, 2, … rows over those of one; empty if nothing was measured.
        step_seconds: of a step of one row in a context that works alone; None if nothing was measured.
        token_seconds: a token of a prompt; likewise.
    """

    threads: int
    cores: int
    flash: bool
    batches: tuple[Batch, ...]
    apart: tuple[int, ...]
    row_costs: tuple[float, ...] = field(default=())
    step_seconds: float | None = None
    token_seconds: float | None = None

    @classmethod
    def of_rules(cls, cores: int, most_lanes: int, *, flash: bool = False) -> Choices:
        """The rules: all threads; lanes once each has enough jobs; batches that cannot be one side by side."""
        batches = tuple(
            Batch(max(1, min(most_lanes, jobs // _LANE_JOBS)), MOST_ROWS) for jobs in range(1, MOST_JOBS + 1)
        )
        return cls(cores, cores, flash, batches, (most_lanes,))

    @property
    def is_measured(self) -> bool:
        """Whether a table was chosen from."""
        return bool(self.row_costs)

    def batch_for(self, jobs: int) -> Batch:
        """How jobs that could be one batch run."""
        return self.batches[min(max(jobs, 1), len(self.batches)) - 1]

    def lanes_apart(self, batches: int) -> int:
        """How many of so many batches run side by side, which cannot be one, as those of different adapters."""
        return min(self.apart[min(max(batches, 1), len(self.apart)) - 1], max(batches, 1))

    def cost_of_rows(self, rows: int) -> float | None:
        """Seconds of a step of `rows` over those of a step of one row; None if nothing was measured.

        Up to `MOST_ROWS`; more cost at least as much as so many.
        """
        return self.row_costs[min(max(rows, 1), len(self.row_costs)) - 1] if self.row_costs else None

    def seconds_of(self, rows: int) -> float | None:
        """Seconds of a step of so many rows in a context that works alone; None if nothing was measured."""
        cost = self.cost_of_rows(rows)
        if cost is None or self.step_seconds is None:
            return None
        return max(cost * self.step_seconds, rows * (self.token_seconds or 0.0) if rows > MOST_ROWS else 0.0)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Choices:
        """What `record` wrote.

        Raises: KeyError, TypeError, ValueError for anything else.
        """
        counts = [record["threads"], record["cores"], *record["apart"]]
        counts += [value for batch in record["batches"] for value in (batch["lanes"], batch["rows"])]
        if not all(isinstance(count, int) and count > 0 for count in counts):
            raise ValueError("no counts")
        step, token = (
            None if record[name] is None else float(record[name])
            for name in ("step_seconds", "token_seconds")
        )
        choices = cls(
            record["threads"],
            record["cores"],
            bool(record["flash"]),
            tuple(Batch(batch["lanes"], min(batch["rows"], MOST_ROWS)) for batch in record["batches"]),
            tuple(record["apart"]),
            tuple(map(float, record["row_costs"])),
            step,
            token,
        )
        if not (choices.batches and choices.apart):
            raise ValueError("no choices")
        return choices

    @property
    def plan_id(self) -> str:
        """Eight hex digits that change with what decides how sums are rounded."""
        parts = {name: value for name, value in asdict(self).items() if not name.endswith("_seconds")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def choose(table: WayTimes, rules: Choices, most_lanes: int) -> Choices:
    """What the table recommends in place of `rules`; in every respect as fast by the table, or faster."""
    best = _with_batches(table, rules, most_lanes)
    by_rule = ask_seconds(table, best)
    for way in table.steps:
        if way.lanes > 1 or way not in table.prefill or len(table.steps[way]) < 2:
            continue
        margin = _FLASH_GAIN if way.flash != rules.flash else GAIN
        other = _with_batches(table, replace(rules, threads=way.threads, flash=way.flash), most_lanes)
        if ask_seconds(table, other) * margin < by_rule:
            best = min(best, other, key=lambda choices: ask_seconds(table, choices))
    way = Way(1, best.threads, best.flash)
    alone = table.step(way, 1)
    costs = (table.step(way, rows) / alone for rows in range(1, MOST_ROWS + 1))
    prompt = table.prefill.get(way) or table.prefill.get(replace(way, flash=not way.flash))
    return replace(best, row_costs=tuple(_rising(costs)), step_seconds=alone, token_seconds=prompt)


def _rising(costs: Iterable[float]) -> Iterable[float]:
    """Each cost or the one before it, whichever is more: more rows are never less work."""
    most = 0.0
    for cost in costs:
        most = max(most, cost)
        yield round(most, 4)


def _with_batches(table: WayTimes, choices: Choices, most_lanes: int) -> Choices:
    """`choices` with lanes and rows for every number of jobs, by the table."""
    lanes = sorted({1, *(way.lanes for way in table.steps if way.lanes <= most_lanes)})
    batches, apart = [], []
    for jobs in range(1, MOST_JOBS + 1):
        options = [Batch(count, rows) for count in lanes if count <= jobs for rows in _ROWS]
        together = partial(batch_seconds, table, choices, jobs=jobs)
        batches.append(_quickest(choices.batch_for(jobs), options, together))
        apart.append(
            _quickest(choices.lanes_apart(jobs), lanes, partial(apart_seconds, table, choices, batches=jobs))
        )
    return replace(choices, batches=tuple(batches), apart=tuple(apart))


def _quickest(rule: Choice, options: Sequence[Choice], seconds: Callable[[Choice], float]) -> Choice:
    """The rule's choice, unless one of `options` is faster by `GAIN`; the rule's, too, where it was not measured."""
    best = min(options, key=seconds)
    return best if seconds(best) * GAIN < seconds(rule) < math.inf else rule


def batch_seconds(table: WayTimes, choices: Choices, batch: Batch, jobs: int) -> float:
    """Seconds, by the table, of one new token for each of `jobs` that are dealt out as `batch` says."""
    share = min(batch.rows, -(-jobs // batch.lanes))
    return _queue(
        table, choices, batch.lanes, [share] * (jobs // share) + [jobs % share] * bool(jobs % share)
    )


def apart_seconds(table: WayTimes, choices: Choices, lanes: int, batches: int) -> float:
    """Seconds, by the table, of one new token for each of so many batches of one job, `lanes` of them side by side."""
    return _queue(table, choices, lanes, [1] * batches)


def _queue(table: WayTimes, choices: Choices, lanes: int, waves: list[int]) -> float:
    """Seconds until `waves` (rows of each) are through; each lane takes the next as it becomes free."""
    lanes = min(lanes, len(waves))
    way = Way(1, choices.threads, choices.flash)
    if lanes > 1:
        way = Way(lanes, max(1, choices.cores // lanes), choices.flash)
    if not table.has(way):
        return math.inf
    busy = [0.0] * lanes
    for rows in waves:
        busy[busy.index(min(busy))] += table.step(way, rows)
    return max(busy)


def ask_seconds(table: WayTimes, choices: Choices) -> float:
    """Seconds of an overton ask by the table: prompts, comments as one batch, an answer."""
    way = Way(1, choices.threads, choices.flash)
    prefill = table.prefill.get(way) or table.prefill.get(replace(way, flash=not way.flash), math.inf)
    comments = batch_seconds(table, choices, choices.batch_for(_COMMENTS), _COMMENTS)
    return _PROMPT * prefill + _COMMENT * comments + _ANSWER * table.step(way, 1)
