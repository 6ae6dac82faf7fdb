"""How many threads a step gets: all of them on a quiet machine, one while others keep the cores busy.

    Pace.threads ──> n ──> a step of some rows ──seconds it took──> Pace.took, which the next steps go by

llama.cpp's threads meet at a barrier after every operation, some hundreds a step. Where another process has one of
the cores, each barrier waits until the thread there gets its turn, and a step takes many times as long; a single
thread waits for nobody. A step that all threads made slower than one thread alone does is the sign. One thread then
works for a second, next for two, up to eight, before all are tried again for a few steps. How long one thread takes
is found out in two steps, and only where steps differ much from each other, other processes are seen to be at work,
or two steps are far slower than was measured on a quiet machine (`planner`); so a quiet machine pays two readings of
the clock a step. Where attention is not split over threads (no flash attention) the number of threads changes no bit
of the results.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_RECENT = 4
"""Steps that are looked at together: a single slow one is no sign."""

_SUSPICIOUS = 2.0
"""Longest over shortest of these, from which on one thread is tried."""

_FAR_SLOWER = 2.5
"""How many times as long as was measured steps take that are no longer those of a quiet machine, even on long texts."""

_BUSY = 0.3
"""Cores that others use, from which on one thread is tried."""

_TRIED = 2
"""Steps that one thread is tried for, and all are tried again for."""

_SHORTEST_HOLD, _LONGEST_HOLD = 1.0, 8.0
"""Seconds that one thread works before all are tried again."""


Expected = Callable[[int], float | None]


@dataclass(slots=True)
class _Seen:
    """Seconds a row of the last steps of about as many rows, with all threads and with one."""

    together: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    alone: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))


class Pace:
    """Of one context with at most `most` threads.

    Args:
        clock: seconds, rising.
        others: cores that other processes use, as `OtherWork` has it.
        expected: seconds that a step of so many rows takes with all threads on a quiet machine; None where that was
            not measured.
    """

    def __init__(
        self,
        most: int,
        clock: Callable[[], float] = time.perf_counter,
        others: Callable[[], float] | None = None,
        expected: Expected = lambda _rows: None,
    ) -> None:
        self._most, self._clock = most, clock
        self._others = others if others is not None else OtherWork() if most > 1 else lambda: 0.0
        self._expected = expected
        self._seen: dict[int, _Seen] = {}
        self._until = 0.0
        self._hold = _SHORTEST_HOLD
        self._to_try = 0

    def threads(self) -> int:
        """Threads of the next step."""
        return 1 if self._most == 1 or self._to_try or self._clock() < self._until else self._most

    def took(self, rows: int, threads: int, seconds: float) -> None:
        """A step of `rows` with so many threads took so long."""
        if self._most == 1:
            return
        seen = self._seen.setdefault(rows.bit_length(), _Seen())
        if threads == 1:
            seen.alone.append(seconds / rows)
            self._to_try = max(0, self._to_try - 1)
        else:
            seen.together.append(seconds / rows)
        if not self._to_try:
            self._judge(seen, rows)

    def _judge(self, seen: _Seen, rows: int) -> None:
        if seen.alone and len(seen.together) >= _TRIED:
            if statistics.median(seen.together) > min(seen.alone):
                seen.together.clear()
                self._until = self._clock() + self._hold
                self._hold = min(self._hold * 2, _LONGEST_HOLD)
            elif len(seen.together) == _RECENT:
                self._hold = _SHORTEST_HOLD
        elif not seen.alone and self._is_suspicious(seen, self._expected(rows), rows):
            self._to_try = _TRIED

    def _is_suspicious(self, seen: _Seen, expected: float | None, rows: int) -> bool:
        if expected is not None and len(seen.together) >= _TRIED:
            last = list(seen.together)[-_TRIED:]
            if min(last) * rows > _FAR_SLOWER * expected:
                return True
        if len(seen.together) < _RECENT:
            return False
        return max(seen.together) > _SUSPICIOUS * min(seen.together) or self._others() > _BUSY


class Steady(Pace):
    """All threads always: for measuring."""

    def threads(self) -> int:
        return self._most

    def took(self, rows: int, threads: int, seconds: float) -> None:
        pass


class OtherWork:
    """Cores that other processes used since the last call, read at most once a second; 0 where that is not told.

    Args:
        stat: the system's file of processor times, Linux's ``/proc/stat``.
    """

    def __init__(
        self, stat: Path = Path("/proc/stat"), clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._stat, self._clock = stat, clock
        self._before: tuple[float, float] | None = None
        self._cores = 0.0

    def __call__(self) -> float:
        now = self._clock()
        if self._before is not None and now - self._before[0] < 1:
            return self._cores
        used = self._seconds_of_others()
        if used is None:
            return 0.0
        if self._before is not None:
            self._cores = max(0.0, used - self._before[1]) / (now - self._before[0])
        self._before = (now, used)
        return self._cores

    def _seconds_of_others(self) -> float | None:
        """Processor seconds that all other processes have used since the system began."""
        try:
            with self._stat.open("rb") as file:
                user, nice, system, _, _, interrupts, soft, *_ = map(int, file.readline().split()[1:])
        except (OSError, ValueError):
            return None
        own = os.times()
        return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK") - own.user - own.system
