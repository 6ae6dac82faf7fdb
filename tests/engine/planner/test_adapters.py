"""Stacked or apart: what is timed, what is remembered, and when nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.planner import (
    AdapterPlans,
    Choices,
    Comparison,
    Machine,
    TimedTurn,
    adapters,
    memory,
)
from pluralism_local.engine.planner.adapters import compare, timings
from pluralism_local.engine.planner.choices import Batch
from pluralism_local.engine.planner.table import Way
from pluralism_local.errors import Cancelled, EngineFailure
from pluralism_local.models.gguf_file import sha256_of
from pluralism_local.types import AdapterRef
from tests.support.llama_requests import ask, texts
from tests.support.tiny.model import write_tiny, write_tiny_adapter

RULES = Choices.of_rules(2, 2)
QUIET = Machine(lambda: 0.0, lambda: lambda: 0.0, 2)


class Clockwork:
    """Steps that take the seconds they are told to; each is noted."""

    def __init__(self, seconds: Iterator[float] | float) -> None:
        self._seconds = seconds
        self.turns: list[TimedTurn] = []
        self.closed = 0

    def seconds(self, turn: TimedTurn) -> float:
        self.turns.append(turn)
        return self._seconds if isinstance(self._seconds, float) else next(self._seconds)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("count", "stacked", "apart"),
    [
        # rules for two cores: two contexts from six jobs on; apart, two side by side
        (2, (TimedTurn(Way(1, 2), 2), 1), (TimedTurn(Way(2, 1), 1), 1)),
        (5, (TimedTurn(Way(1, 2), 5), 1), (TimedTurn(Way(2, 1), 1), 3)),
        (6, (TimedTurn(Way(2, 1), 3), 1), (TimedTurn(Way(2, 1), 1), 3)),
        (20, (TimedTurn(Way(2, 1), 10), 1), (TimedTurn(Way(2, 1), 1), 10)),
    ],
)
def test_what_is_timed_gives_each_adapter_one_token(
    count: int, stacked: tuple[TimedTurn, int], apart: tuple[TimedTurn, int]
) -> None:
    assert timings(RULES, count) == (stacked, apart)


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_no_adapter_is_left_out(count: int, lanes: int) -> None:
    choices = replace(RULES, batches=(Batch(lanes, 4),), apart=(lanes,))
    for turn, times in timings(choices, count):
        assert turn.way.lanes * turn.rows * times >= count
        assert turn.way.lanes * turn.rows * (times - 1) < count


def test_medians_of_both_ways_in_turn() -> None:
    stacked, apart = Clockwork(iter((3.0, 1.0, 2.0))), Clockwork(iter((9.0, 1.0, 1.5)))
    measured = compare(RULES, 6, 48, lambda: stacked, lambda: apart)
    assert measured == Comparison(6, 48, 2.0, 3 * 1.5)
    assert (stacked.closed, apart.closed) == (1, 1)


@pytest.mark.parametrize(
    ("stacked", "apart", "is_stacked"), [(1.0, 2.0, True), (1.04, 1.0, True), (1.06, 1.0, False)]
)
def test_apart_must_be_faster_by_a_margin(stacked: float, apart: float, is_stacked: bool) -> None:
    comparison = Comparison(2, 8, stacked, apart)
    assert comparison.is_stacked_faster is is_stacked
    assert bool(comparison.why_apart) is not is_stacked


def test_a_comparison_is_remembered_beside_the_plan(tmp_path: Path) -> None:
    place = tmp_path / "plans" / "abc.json"
    notes: list[str] = []
    steps = Clockwork(0.5)
    first = AdapterPlans(place, RULES, note=notes.append, machine=QUIET)
    measured = first.comparison(6, 48, lambda: steps, lambda: Clockwork(0.25))
    assert measured == Comparison(6, 48, 0.5, 0.75) and len(notes) == 1
    assert first.comparison(6, 48, lambda: steps, lambda: steps) == measured
    later = AdapterPlans(place, RULES, note=notes.append, machine=QUIET)
    assert later.comparison(6, 48, lambda: steps, lambda: steps) == measured
    assert (steps.closed, len(notes)) == (1, 1), "measured once"
    assert later.comparison(6, 96, lambda: Clockwork(0.5), lambda: Clockwork(0.1)) is not None
    assert [each.rank for each in later.remembered()] == [48, 96]
    assert AdapterPlans(tmp_path / "plans" / "other.json", RULES).remembered() == []
    later.forget()
    assert later.remembered() == []


def nothing() -> Clockwork:
    raise AssertionError("nothing may be measured")


def test_nothing_is_measured_on_a_busy_machine_or_where_plans_are_off(tmp_path: Path) -> None:
    busy = Machine(lambda: 9.0, lambda: lambda: 0.0, 2)
    assert AdapterPlans(tmp_path / "a.json", RULES, machine=busy).comparison(6, 48, nothing, nothing) is None
    assert AdapterPlans(None, RULES, machine=QUIET).comparison(6, 48, nothing, nothing) is None
    (tmp_path / "file").write_text("no folder")
    blocked = AdapterPlans(tmp_path / "file" / "a.json", RULES, machine=QUIET)
    assert blocked.comparison(6, 48, nothing, nothing) is None, "it could not be remembered"


def failing() -> Clockwork:
    raise EngineFailure("no memory")


@pytest.mark.parametrize("others", [0.0, 2.0])
def test_a_measurement_that_said_nothing_is_tried_again_a_day_later(tmp_path: Path, others: float) -> None:
    def comparison(now: float, steps: Callable[[], Clockwork]) -> Comparison | None:
        machine = Machine(lambda: 0.0, lambda: lambda: others, 2, lambda: now)
        return AdapterPlans(tmp_path / "a.json", RULES, machine=machine).comparison(6, 48, steps, steps)

    assert comparison(0.0, failing if others == 0 else lambda: Clockwork(1.0)) is None
    assert comparison(80_000.0, nothing) is None
    assert (comparison(90_000.0, lambda: Clockwork(1.0)) is None) == bool(others)


def test_stopping_it_raises_and_closes(tmp_path: Path) -> None:
    steps = Clockwork(1.0)
    plans = AdapterPlans(tmp_path / "a.json", RULES, should_stop=lambda: True, machine=QUIET)
    with pytest.raises(Cancelled):
        plans.comparison(6, 48, lambda: steps, lambda: steps)
    assert steps.closed == 2 and plans.remembered() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '{"adapters": 6, "rank": 48, "when": 1}',
        '{"adapters": 6, "rank": -1, "when": 1, "stacked_seconds": 1, "apart_seconds": 1}',
        '{"adapters": 6, "rank": 4, "when": 1, "stacked_seconds": NaN, "apart_seconds": 1}',
        '{"adapters": "6", "rank": 4, "when": 1, "stacked_seconds": 1, "apart_seconds": "x"}',
    ],
)
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a-6x48.json").write_text(text)
    plans = AdapterPlans(tmp_path / "a.json", RULES, machine=QUIET)
    assert plans.remembered() == []
    assert plans.comparison(6, 48, lambda: Clockwork(1.0), lambda: Clockwork(1.0)) is not None


@pytest.mark.parametrize("seconds", [1.0, 1e-9])
def test_the_engine_runs_what_was_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Both ways are really timed; then the figure of those apart is put in place of what was measured."""
    model = write_tiny(tmp_path / "tiny.gguf")
    files = [write_tiny_adapter(tmp_path / f"{seed}.gguf", model, seed=seed) for seed in (1, 2, 3)]
    more = [ask(adapter=AdapterRef(file, sha256_of(file)), tokens=6) for file in files]
    requests = more[:2]
    monkeypatch.setattr(memory, "Machine", lambda: QUIET)
    real: list[Comparison] = []

    def measured(*arguments: object) -> Comparison:
        real.append(compare(*arguments))  # type: ignore[arg-type]
        return replace(real[-1], apart_seconds=seconds)

    monkeypatch.setattr(adapters, "compare", measured)
    options = LlamaOptions(threads=1, lanes=2, plan_dir=tmp_path / "plans")
    with LlamaEngine(model, name="tiny", options=options) as engine:
        written = texts(engine, requests)
        assert texts(engine, requests) == written
        assert engine.stats.together == ("stacked" if seconds == 1.0 else "apart")
        assert ("times as fast here as stacked" in engine.stats.way) == (seconds != 1.0)
        [comparison] = engine.planned.adapters.remembered()
        assert texts(engine, more)[:2] == written, "a larger set gets a stack of its own"
        assert comparison == replace(real[0], apart_seconds=seconds)
    assert len(real) == 2 and 0 < real[0].stacked_seconds < 60 and 0 < real[0].apart_seconds < 60
    with LlamaEngine(model, name="tiny", options=replace(options, plan_dir=None, together="apart")) as engine:
        assert texts(engine, requests) == written
