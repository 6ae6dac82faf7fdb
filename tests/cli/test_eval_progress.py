"""Progress of long work: its rate, the time left, and how often it is said."""

from __future__ import annotations

import io

import pytest

from pluralism_local.cli.eval.progress import REPORT_SECONDS, RateReporter, entailment_pace
from pluralism_local.cli.output import Output
from pluralism_local.display.figures import duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_every_so_often_and_one_at_the_end() -> None:
    err, now = io.StringIO(), 100.0
    pace = RateReporter(Output(io.StringIO(), err), lambda: now)
    pace.report(40, 100, "40 of 100 things")  # of an earlier run: no rate yet
    for done, seconds in ((50, 10.0), (60, REPORT_SECONDS + 1), (61, REPORT_SECONDS + 2), (100, 60.0)):
        now = 100.0 + seconds
        pace.report(done, 100, f"{done} of 100 things")
    assert err.getvalue().splitlines() == [
        "60 of 100 things, 57.1 a minute, 0:42 left",
        "100 of 100 things, 60.0 a minute, 0:00 left",
    ]


def test_a_terminal_sees_every_report_on_one_line() -> None:
    err, now = Terminal(), 0.0
    pace = RateReporter(Output(io.StringIO(), err), lambda: now)
    pace.report(0, 4, "0 of 4")
    for done in (1, 2):
        now += 2
        pace.report(done, 4, f"{done} of 4")
    assert "\r1 of 4, 30.0 a minute, 0:06 left" in err.getvalue()
    assert "\r2 of 4, 30.0 a minute, 0:04 left" in err.getvalue()
    assert "\n" not in err.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (309, "5:09"), (3909, "1:05:09")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_another_lot_of_pairs_has_a_rate_of_its_own() -> None:
    now, err = 0.0, io.StringIO()
    report = entailment_pace(Output(io.StringIO(), err), "adapter", lambda: now)
    for seconds, done, total in ((0, 0, 600), (60, 600, 600), (60, 0, 20), (80, 10, 20), (100, 20, 20)):
        now = seconds
        report(done, total)

    lines = err.getvalue().splitlines()
    assert [line.partition(" pairs, ")[2] for line in lines] == [
        "600.0 a minute, 0:00 left",
        "30.0 a minute, 0:00 left",
    ]
