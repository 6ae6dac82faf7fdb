"""Progress of long work: its rate, the time left, and how often it is said."""

from __future__ import annotations

import io

import pytest

from pluralism_local.cli.eval.progress import REPORT_SECONDS, RateReporter, Turns, entailment_pace
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


@pytest.mark.parametrize(("before", "chunks"), [(0, 3), (64, 4)])
def test_time_left_goes_by_whole_turns_of_methods(before: int, chunks: int) -> None:
    """Per chunk of 16 samples 100 s of ours and 10 s each of two others, of which the first rate knows nothing."""
    now, total, done = 5.0, before + chunks * 48, before
    turns = Turns(lambda: now)
    assert turns.left("begun", done, total) is None
    guesses = []
    for _ in range(chunks):
        for method, seconds in (("ours", 100), ("moe", 10), ("vanilla", 10)):
            now, done = now + seconds, done + 16
            guesses.append(turns.left(method, done, total))
    whole = 120.0 * chunks
    ends = [each * 120 + spent for each in range(chunks) for spent in (100, 110, 120)]
    assert guesses[:3] == [None] * 3
    assert guesses[3:] == pytest.approx([whole - end for end in ends[3:]])


def test_what_is_left_of_one_turn_is_not_guessed() -> None:
    err, now = io.StringIO(), 0.0
    pace, turns = RateReporter(Output(io.StringIO(), err), lambda: now), Turns(lambda: now)
    for method, done, seconds in (("begun", 0, 0), ("ours", 16, 100), ("vanilla", 32, 30)):
        now += seconds
        pace.report(done, 32, f"{method}: {done} of 32", turns.left(method, done, 32))
    assert err.getvalue().splitlines() == [
        "ours: 16 of 32, 9.6 a minute",
        "vanilla: 32 of 32, 14.8 a minute, 0:00 left",
    ]
