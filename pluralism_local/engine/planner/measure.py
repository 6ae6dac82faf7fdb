"""Steps, timed: every way in turn, over and over, so that ways are compared and not the moments they were tried in.

    TimedTurn (a way, rows or a prompt) …, TurnTimer ──measure──> WayTimes | NotMeasured

The first round goes through the turns, the most telling first, until its share of the time is used up; the others
repeat what it reached. So a large model on a slow machine has fewer figures, and none where it has too few.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.pace import Steady
from pluralism_local.engine.planner.choices import MOST_ROWS
from pluralism_local.engine.planner.table import Way, WayTimes
from pluralism_local.engine.schedule import BASE_SLOT, Row, RowHook
from pluralism_local.errors import Cancelled

ROUNDS = 3

LIMIT_SECONDS = 15.0
"""Of all rounds. With the trial in a child, which takes a 1.5B model about ten, it stays below half a minute."""

PROMPT_ROWS = 32
"""Tokens of a prompt that are timed, and that every sequence has before it goes on."""

_FEWEST = 4
"""Turns that a table has at least: those that tell what a single token, a batch and a prompt take."""

_STEPS_TOGETHER = 2
"""Steps that contexts side by side take before their time is read: they begin together and end apart."""


@dataclass(frozen=True, slots=True)
class TimedTurn:
    """One thing to time: a step of `rows` in each lane; a prompt of `PROMPT_ROWS` if they are 0."""

    way: Way
    rows: int


class TurnTimer(Protocol):
    """What carries out turns."""

    def seconds(self, turn: TimedTurn) -> float:
        """Carry out a turn; seconds of its step, or of its prompt."""

    def close(self) -> None:
        """Give back what was needed."""


def turns(cores: int, most_lanes: int, *, flash: bool, other_flash: bool) -> list[TimedTurn]:
    """What to time, the most telling first.

    Args:
        cores: threads at most.
        most_lanes: contexts side by side at most.
        flash: whether the model runs with flash attention unless chosen otherwise.
        other_flash: whether it may be run the other way.
    """
    alone = Way(1, cores, flash)
    side = [Way(lanes, cores // lanes, flash) for lanes in _lane_counts(cores, most_lanes)]
    fewer = [Way(1, threads, flash) for threads in _thread_counts(cores)]
    other = [Way(1, cores, not flash)] if other_flash else []
    first = [TimedTurn(alone, rows) for rows in (1, 8, 4, 0)]
    first += [TimedTurn(way, rows) for way in side for rows in (1, 4)]
    first += [TimedTurn(alone, MOST_ROWS)]
    first += [TimedTurn(way, rows) for way in (*fewer, *other) for rows in (1, 8, 0)]
    # verification of guesses goes by every number of rows up to eight
    return [
        *first,
        *(TimedTurn(way, 8) for way in side),
        *(TimedTurn(alone, rows) for rows in (2, 6, 3, 5, 7)),
    ]


def _lane_counts(cores: int, most_lanes: int) -> list[int]:
    return sorted({count for count in (2, 4, min(cores, 8)) if 1 < count <= min(cores, most_lanes)})


def _thread_counts(cores: int) -> list[int]:
    """Fewer threads than all that may be worth it, the most first."""
    counts = (1,) if cores <= 4 else (3 * cores // 4, cores // 2)
    return sorted({count for count in (*counts, cores // 2) if 0 < count < cores}, reverse=True)


class NotMeasured(Exception):
    """Why there is no table, as a clause; `lasting` if another try would end alike."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.reason, self.lasting = reason, lasting


def measure(
    plan: Sequence[TimedTurn],
    steps: TurnTimer,
    *,
    disturbed: Callable[[], str] = lambda: "",
    limit: float = LIMIT_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
    should_stop: ShouldStop = never,
) -> WayTimes:
    """Time `plan` in rounds, within about `limit` seconds.

    `disturbed` is asked after each round: a reason to give up, as a clause, or "".

    Raises:
        NotMeasured: too slow a machine for so large a model, or disturbed.
        Cancelled: `should_stop` turned true.
        EngineFailure: as `steps` does.
    """
    began = clock()
    taken: dict[TimedTurn, list[float]] = {}
    reached = list(plan)
    for number in range(ROUNDS):
        for place, turn in enumerate(reached):
            if should_stop():
                raise Cancelled
            if number == 0 and clock() - began > limit / ROUNDS:
                reached = reached[:place]
                break
            taken.setdefault(turn, []).append(steps.seconds(turn))
        if reason := disturbed():
            raise NotMeasured(reason, lasting=False)
        if len(reached) < _FEWEST:
            raise NotMeasured(f"a step takes too long to time it within {limit:.0f} s", lasting=True)
    return _table(taken, clock() - began)


def _table(taken: dict[TimedTurn, list[float]], seconds: float) -> WayTimes:
    prefill: dict[Way, float] = {}
    steps: dict[Way, dict[int, float]] = {}
    for turn, times in taken.items():
        if turn.rows:
            steps.setdefault(turn.way, {})[turn.rows] = statistics.median(times)
        else:
            prefill[turn.way] = statistics.median(times) / PROMPT_ROWS
    spread = statistics.median(max(times) / min(times) for times in taken.values())
    return WayTimes(prefill, steps, spread, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Worn:
    """The adapter that steps are taken with.

    Attributes:
        slots: of the rows of a step, in turn.
        make_hook: makes what each context masks a stack by; None for an adapter on its own.
    """

    adapter: Adapter
    slots: Sequence[int]
    make_hook: Callable[[], RowHook] | None = None


class ContextSteps:
    """Turns on real contexts over `model`, each made when its way first comes up; of the base, or as `worn` says.

    Raises:
        EngineFailure: a context does not fit into memory.
    """

    def __init__(self, model: Model, worn: Worn | None = None) -> None:
        self._model, self._worn = model, worn
        self._slots = worn.slots if worn else (BASE_SLOT,)
        self._contexts: dict[bool, list[Context]] = {False: [], True: []}

    def seconds(self, turn: TimedTurn) -> float:
        way = turn.way
        contexts = self._contexts[way.flash]
        while len(contexts) < way.lanes:
            contexts.append(self._new(way))
        used = contexts[: way.lanes]
        for context in used:
            context.set_threads(way.threads)
        if turn.rows == 0:
            used[0].forget(MOST_ROWS - 1)
            seconds = _timed(lambda: self._prompt(used[0]))
            used[0].forget(MOST_ROWS - 1)
            used[0].share(0, MOST_ROWS - 1)
            return seconds
        rows = [self._row(place) for place in range(turn.rows)]
        if way.lanes == 1:
            seconds = _timed(lambda: used[0].decode(rows))
            self._back(used[0])
            return seconds
        return self._side_by_side(used, rows)

    def close(self) -> None:
        for contexts in self._contexts.values():
            for context in contexts:
                context.close()
            contexts.clear()

    def _new(self, way: Way) -> Context:
        worn = self._worn
        context = Context(
            self._model,
            cells=256,
            sequences=MOST_ROWS,
            threads=way.threads,
            flash=way.flash,
            make_pace=Steady,
            hook=worn.make_hook() if worn and worn.make_hook else None,
        )
        if worn is not None:
            context.set_adapter(worn.adapter)
        self._prompt(context, 0)
        for sequence in range(1, MOST_ROWS):
            context.share(0, sequence)
        context.decode([self._row(0)])  # memory is touched once untimed
        self._back(context)
        return context

    def _prompt(self, context: Context, sequence: int = MOST_ROWS - 1) -> None:
        last = PROMPT_ROWS - 1
        context.decode([Row(self._token(i), i, [sequence], output=i == last) for i in range(PROMPT_ROWS)])

    def _side_by_side(self, contexts: Sequence[Context], rows: Sequence[Row]) -> float:
        ready = threading.Barrier(len(contexts) + 1)
        errors: list[BaseException] = []

        def work(context: Context) -> None:
            ready.wait()
            try:
                for _ in range(_STEPS_TOGETHER):
                    context.decode(rows)
                    self._back(context)
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)

        threads = [threading.Thread(target=work, args=(context,), daemon=True) for context in contexts]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return (time.perf_counter() - began) / _STEPS_TOGETHER

    def _back(self, context: Context) -> None:
        """Let every sequence end at the prompt again.

        Raises: NotMeasured for a model whose state cannot be cut (recurrent layers).
        """
        if not all(context.forget(sequence, PROMPT_ROWS) for sequence in range(MOST_ROWS)):
            raise NotMeasured("its state cannot be cut", lasting=True)

    def _row(self, place: int) -> Row:
        slot = self._slots[place % len(self._slots)]
        return Row(self._token(place), PROMPT_ROWS, [place], output=True, slot=slot)

    def _token(self, place: int) -> int:
        return (100 + 7 * place) % self._model.vocabulary_size


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
