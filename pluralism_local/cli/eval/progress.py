"""Long work says how far it is, how fast it goes and when it will be done.

(done, total, in words) ──RateReporter.report──> one line that changes on a terminal, else a line every `REPORT_SECONDS`
"""

from __future__ import annotations

import time
from collections.abc import Callable

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

    def report(self, done: int, total: int, text: str) -> None:
        """Say `text` with the rate and the time left.

        Args:
            done: of `total` things; what the first report has was done before and is not part of the rate.
        """
        now = self._clock()
        if self._first is None:
            self._first = done
        if done == self._first:
            return
        rate = (done - self._first) / max(now - self._began, 1e-9)
        line = f"{text}, {60 * rate:,.1f} a minute, {duration((total - done) / rate)} left"
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
    pace = RateReporter(out, clock)

    def report(done: int, total: int) -> None:
        nonlocal pace
        if done == 0:
            pace = RateReporter(out, clock)
        pace.report(done, total, f"{what}: {done:,} of {total:,} of this batch")

    return report


def entailment_pace(
    out: Output, scorer: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Progress of (pairs scored, pairs to score) by the scorer of this name; with 0 scored another lot begins."""
    pace = RateReporter(out, clock)

    def report(done: int, total: int) -> None:
        nonlocal pace
        if done == 0:
            pace = RateReporter(out, clock)
        pace.report(done, total, f"entailment by {scorer}: {done:,} of {total:,} pairs")

    return report
