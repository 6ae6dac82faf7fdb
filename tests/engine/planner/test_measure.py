"""Timing in rounds: on a clock that is told, and on real contexts over a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.planner import ContextSteps, NotMeasured, TimedTurn, Way, measure, turns
from pluralism_local.engine.planner.measure import PROMPT_ROWS, ROUNDS
from pluralism_local.errors import Cancelled
from tests.support.tiny.model import write_tiny

TWO_CORES = turns(2, 2, flash=False, other_flash=True)


class Clocked:
    """Steps that take what `cost` says, on a clock of their own."""

    def __init__(self, cost: Callable[[TimedTurn], float]) -> None:
        self.cost, self.now, self.done = cost, 0.0, list[TimedTurn]()

    def seconds(self, turn: TimedTurn) -> float:
        self.done.append(turn)
        seconds = self.cost(turn)
        self.now += seconds
        return seconds

    def close(self) -> None:
        pass

    def clock(self) -> float:
        return self.now


def test_what_is_timed_tells_the_most_first() -> None:
    assert {turn.way for turn in TWO_CORES} == {
        Way(1, 2),
        Way(2, 1),
        Way(1, 1),
        Way(1, 2, flash=True),
    }
    assert [turn.rows for turn in TWO_CORES[:4]] == [1, 8, 4, 0]
    assert {turn.way for turn in turns(1, 1, flash=True, other_flash=False)} == {Way(1, 1, flash=True)}
    assert all(
        turn.way.lanes * turn.way.threads <= 16 for turn in turns(16, 16, flash=False, other_flash=True)
    )


def test_every_turn_has_its_turn_in_every_round_and_the_median_counts() -> None:
    told = iter([0.001, 0.009, 0.002])
    steps = Clocked(lambda turn: next(told) if turn == TWO_CORES[0] else 0.001)
    table = measure(TWO_CORES, steps, clock=steps.clock)
    assert steps.done == TWO_CORES * ROUNDS
    assert table.prefill[Way(1, 2)] == pytest.approx(0.001 / PROMPT_ROWS)
    assert table.steps[Way(1, 2)] == {1: 0.002, **dict.fromkeys([*range(2, 9), 16], 0.001)}
    assert table.steps[Way(2, 1)] == {1: 0.001, 4: 0.001, 8: 0.001}
    assert table.spread == 1 and table.seconds == pytest.approx(steps.now)


def test_a_slow_machine_times_the_first_turns_and_no_longer_than_told() -> None:
    steps = Clocked(lambda turn: 0.7)
    table = measure(TWO_CORES, steps, clock=steps.clock, limit=15)
    assert steps.now < 15 + ROUNDS * 0.7
    assert {Way(1, 2), Way(2, 1)} <= table.steps.keys() and Way(1, 2, flash=True) not in table.steps
    assert steps.done == steps.done[: len(steps.done) // ROUNDS] * ROUNDS


def test_a_model_that_is_too_slow_is_given_up_for_good_after_one_round() -> None:
    steps = Clocked(lambda turn: 5.0)
    with pytest.raises(NotMeasured, match="too long") as caught:
        measure(TWO_CORES, steps, clock=steps.clock)
    assert caught.value.lasting and steps.now < 11


def test_a_disturbed_measurement_is_given_up_after_the_round() -> None:
    steps = Clocked(lambda turn: 0.1)
    with pytest.raises(NotMeasured, match="a film") as caught:
        measure(TWO_CORES, steps, clock=steps.clock, disturbed=lambda: "a film plays")
    assert not caught.value.lasting and len(steps.done) == len(TWO_CORES)


def test_stopping() -> None:
    steps = Clocked(lambda turn: 0.1)
    with pytest.raises(Cancelled):
        measure(TWO_CORES, steps, clock=steps.clock, should_stop=lambda: len(steps.done) == 3)
    assert len(steps.done) == 3


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    install_log()
    with Model(write_tiny(tmp_path / "tiny.gguf")) as opened:
        yield opened


def test_real_contexts_carry_out_every_turn_again_and_again(model: Model) -> None:
    steps = ContextSteps(model)
    table = measure(TWO_CORES, steps, limit=300)
    assert {way: set(rows) for way, rows in table.steps.items()} == {
        Way(1, 2): {*range(1, 9), 16},
        Way(2, 1): {1, 4, 8},
        Way(1, 1): {1, 8},
        Way(1, 2, flash=True): {1, 8},
    }
    assert set(table.prefill) == {Way(1, 2), Way(1, 1), Way(1, 2, flash=True)}
    assert all(seconds > 0 for rows in table.steps.values() for seconds in rows.values())
    assert table.spread >= 1
    steps.close()
    steps.close()


def test_an_error_in_one_of_several_contexts_is_raised(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = ContextSteps(model)
    side = TimedTurn(Way(2, 1), 1)
    steps.seconds(side)
    monkeypatch.setattr(ContextSteps, "_back", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        steps.seconds(side)
    steps.close()
