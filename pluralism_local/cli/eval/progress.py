"""Long work says how far it is, how fast it goes and when it will be done.

(done, total, in words) ──RateReporter.report──> one line that changes on a terminal, else a line every `REPORT_SECONDS`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from pluralism_local.cli.output import Output
from pluralism_local.display.figures import duration

REPORT_SECONDS = 20.0


class RateReporter:
    """Reports about one piece of work, which began when this object was made.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, out: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._began = self._last = clock()
        self._first: int | None = None

    def report(
        self, done: int, total: int, text: str, left: float | Literal["by rate"] | None = "by rate"
    ) -> None:
        """Say `text` with the rate and the time left.

        Args:
            done: of `total` things; what the first report has was done before and is not part of the rate.
            left: seconds, where the rate says nothing about them; None where nothing does, and it is left out.
        """
        now = self._clock()
        if self._first is None:
            self._first = done
        if done == self._first:
            return
        rate = (done - self._first) / max(now - self._began, 1e-9)
        if left == "by rate":
            left = (total - done) / rate
        line = f"{text}, {60 * rate:,.1f} a minute" + ("" if left is None else f", {duration(left)} left")
        if self._out.interactive:
            self._out.status(line)
        elif now - self._last > REPORT_SECONDS or done == total:
            self._last = now
            self._out.note(line)


def writing_pace(
    out: Output, what: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Progress of ("comments") that are there, of those that one call of an engine writes; with 0 another begins.

    A call may take very long, and only after it is anything told of answers.
    """
    return _pace(out, lambda done, total: f"{what}: {done:,} of {total:,} of this batch", clock)


class Turns:
    """The time left of work in turns, in each of which methods of very different cost follow each other.

    A run's first method writes all comments: by its rate, the others would take as long. So turns that are whole count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: str | None = None
        self._begun: tuple[int, float] | None = None
        self._latest = self._whole = (0, 0.0)

    def left(self, method: str, done: int, total: int) -> float | None:
        """Seconds, with `done` of `total` answers after a step of `method`; None before a turn is whole.

        The first call says what was done before.
        """
        now = self._clock()
        if self._begun is None:
            self._begun = self._latest = self._whole = (done, now)
            return None
        if self._first is None:
            self._first = method
        elif method == self._first:
            self._whole = self._latest
        self._latest = (done, now)
        (before, began), (answers, ended) = self._begun, self._whole
        if done == total:
            return 0.0
        if answers == before:
            return None
        return max(0.0, (total - answers) * (ended - began) / (answers - before) - (now - ended))


def entailment_pace(
    out: Output, scorer: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Progress of (pairs scored, pairs to score) by the scorer of this name; with 0 scored another lot begins."""
    return _pace(out, lambda done, total: f"entailment by {scorer}: {done:,} of {total:,} pairs", clock)


def _pace(
    out: Output, line: Callable[[int, int], str], clock: Callable[[], float]
) -> Callable[[int, int], None]:
    """Reports (done, total) by its `line`, with a rate that begins anew with each 0 done."""
    pace = RateReporter(out, clock)

    def report(done: int, total: int) -> None:
        nonlocal pace
        if done == 0:
            pace = RateReporter(out, clock)
        pace.report(done, total, line(done, total))

    return report
