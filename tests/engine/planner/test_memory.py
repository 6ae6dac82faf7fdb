"""Plans are measured once, on a quiet machine, where they can be kept; and read ever after."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.planner import (
    Choices,
    Machine,
    NotMeasured,
    Planner,
    Remembered,
    TimedTurn,
    Way,
    WayTimes,
    choose,
    memory,
    read_plan,
    turns,
)
from pluralism_local.errors import Cancelled, EngineFailure
from tests.support.llama_requests import ask, texts
from tests.support.tiny.model import write_tiny

RULES = Choices.of_rules(2, 2)
TABLE = WayTimes(
    {Way(1, 2): 0.001}, {Way(1, 2): {1: 0.01, 4: 0.011, 8: 0.012, 16: 0.013}, Way(2, 1): {1: 0.03, 4: 0.04}}
)
DAY = 24 * 3600.0


class Nothing:
    """Steps that nobody carries out."""

    def seconds(self, turn: TimedTurn) -> float:
        raise AssertionError

    def close(self) -> None:
        pass


@dataclass
class Desk:
    """A planner over a folder on a machine that is told; counts what it is told and measures."""

    folder: Path | None
    load: float = 0.0
    now: float = 1e9
    ends: WayTimes | Exception = TABLE
    others: float = 0.0
    notes: list[str] = field(default_factory=list)
    measured: int = 0

    def choices(self, identity: str = "id", rules: Choices = RULES) -> Choices:
        return self.plan(identity, rules).choices or rules

    def plan(self, identity: str = "id", rules: Choices = RULES, *, again: bool = False) -> Remembered:
        machine = Machine(lambda: self.load, lambda: lambda: self.others, 2, lambda: self.now)
        planner = Planner(
            self.folder, again=again, note=self.notes.append, machine=machine, measuring=self._measure
        )
        what = lambda: turns(2, 2, flash=False, other_flash=False)  # noqa: E731
        return planner.plan(identity, "m.gguf", rules, 2, what, Nothing)

    def _measure(self, plan: Sequence[TimedTurn], steps: Any, **_: object) -> WayTimes:
        self.measured += 1
        if isinstance(self.ends, Exception):
            raise self.ends
        return self.ends


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "plans")


def test_a_plan_is_measured_once_and_said(desk: Desk) -> None:
    expected = choose(TABLE, RULES, 2)
    assert expected != RULES
    for _ in range(3):
        assert desk.choices() == expected
    assert desk.measured == 1 and desk.notes == ["measuring once how this machine runs the model fastest …"]
    assert desk.choices("another") == expected and desk.measured == 2
    desk.choices(rules=replace(RULES, apart=(1,)))
    assert desk.measured == 3, "what the user fixed is part of the key"


def test_a_busy_machine_is_not_measured_and_nobody_waits(desk: Desk) -> None:
    desk.load = 1.3
    assert desk.choices() == RULES
    assert (desk.measured, desk.notes) == (0, [])
    assert desk.plan().reason == "the machine's load is 1.3"
    desk.load = 0.2
    assert desk.choices() != RULES and desk.measured == 1


@pytest.mark.parametrize(
    "ends",
    [
        NotMeasured("other work took 1.0 cores", lasting=False),
        EngineFailure("There is not enough memory."),
        replace(TABLE, spread=1.6),
    ],
)
def test_a_disturbed_measurement_is_not_the_machines_truth(desk: Desk, ends: WayTimes | Exception) -> None:
    desk.ends = ends
    for _ in range(3):
        assert desk.choices() == RULES
    assert desk.measured == 1, "nobody is held up twice"
    desk.ends, desk.now = TABLE, desk.now + DAY / 2
    assert desk.choices() == RULES
    desk.now += DAY
    assert desk.choices() == choose(TABLE, RULES, 2) and desk.measured == 2


def test_a_model_that_takes_too_long_is_never_measured_again(desk: Desk) -> None:
    desk.ends = NotMeasured("a step takes too long", lasting=True)
    desk.choices()
    desk.now += 100 * DAY
    assert desk.choices() == RULES and desk.measured == 1


def test_what_seems_too_slow_beside_other_work_is_not_given_up_for_good(desk: Desk) -> None:
    desk.ends, desk.others = NotMeasured("a step takes too long", lasting=True), 1.5
    assert desk.plan().reason == "other work took 1.5 cores"
    desk.ends, desk.others, desk.now = TABLE, 0.0, desk.now + 2 * DAY
    assert desk.choices() == choose(TABLE, RULES, 2)
    desk.others = 1.5
    assert desk.plan(again=True).reason == "other work took 1.5 cores", "what was timed beside it is no truth"


def test_a_child_that_tries_what_is_timed_is_nobody_elses_work(tmp_path: Path) -> None:
    """Processor seconds of others since the last look, as the system tells them: the child's are among them."""
    used = 0.0

    def others() -> Callable[[], float]:
        looked: list[float] = []

        def cores() -> float:
            looked.append(used)
            return looked[-1] - looked[-2] if len(looked) > 1 else 0.0

        return cores

    def what() -> list[TimedTurn]:
        nonlocal used
        used += 8.0
        return turns(2, 2, flash=False, other_flash=True)

    machine = Machine(lambda: 0.0, others, 2)
    planner = Planner(tmp_path, machine=machine, measuring=lambda *_, **__: TABLE)
    assert planner.plan("id", "m.gguf", RULES, 2, what, Nothing).choices is not None


def test_whoever_stops_it_is_not_asked_to_wait_again(desk: Desk) -> None:
    desk.ends = Cancelled("stopped")
    with pytest.raises(Cancelled):
        desk.choices()
    assert desk.choices() == RULES and desk.measured == 1
    remembered = read_plan(next((desk.folder or Path()).iterdir()))
    assert remembered is not None and remembered.reason == "it was interrupted"


def test_who_asks_is_measured_for_again_and_a_good_plan_gives_way_to_a_good_one_only(desk: Desk) -> None:
    first = desk.choices()
    desk.load, desk.ends = 3.0, replace(TABLE, spread=1.6)
    again = desk.plan(again=True)
    assert (again.choices, again.reason) == (None, "its rounds differ by 60%") and again.table is not None
    assert desk.choices() == first and desk.measured == 2
    desk.ends = WayTimes(TABLE.prefill, {Way(1, 2): {1: 0.01, 4: 0.05}, Way(2, 1): {1: 0.01, 4: 0.01}})
    other = desk.plan(again=True).choices
    assert other != first and desk.choices() == other and desk.measured == 3


def test_without_a_folder_or_where_none_can_be_made_nothing_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (None, tmp_path / "file" / "plans"):
        desk = Desk(folder)
        assert desk.choices() == RULES
        assert (desk.measured, desk.notes) == (0, [])


def _change(**values: object) -> Callable[[str], str]:
    return lambda text: json.dumps({**json.loads(text), **values})


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "[]",
        lambda text: text[:-40],
        lambda _: "\xff\xfe",
        _change(choices={"threads": 2}),
        _change(table=[]),
        _change(when="now"),
        _change(when=None),
        lambda text: text.replace('"cores": 2', '"cores": -2'),
    ],
)
def test_a_damaged_memory_is_made_anew(desk: Desk, damage: Callable[[str], str]) -> None:
    expected = desk.choices()
    [file] = (desk.folder or Path()).iterdir()
    file.write_text(damage(file.read_text()), "latin-1")
    assert read_plan(file) is None
    assert desk.choices() == expected and desk.measured == 2


def test_another_library_or_processor_is_measured_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.choices()
    monkeypatch.setattr(memory, "machine_key", lambda: "0" * 32)
    desk.choices()
    assert desk.measured == 2 and len(list((desk.folder or Path()).iterdir())) == 2


def test_a_machine_is_busy_by_its_size() -> None:
    assert Machine(lambda: 0.6, cpus=2).why_busy() == ""
    assert Machine(lambda: 1.1, cpus=2).why_busy() == "the machine's load is 1.1"
    assert Machine(lambda: 1.1, cpus=16).why_busy() == ""
    assert Machine(cpus=2).why_disturbed(0.2) == ""
    assert Machine(cpus=2).why_disturbed(1.0) == "other work took 1.0 cores"
    assert Machine().load() >= 0


def test_an_engine_measures_a_model_and_the_next_one_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real thing on a tiny model; a machine that runs tests counts as quiet here, and its rounds as equal."""
    quiet = Machine(lambda: 0.0, lambda: lambda: 0.0)
    monkeypatch.setattr(memory, "Machine", lambda: quiet)
    monkeypatch.setattr(memory, "_SPREAD", 1e9)
    path = write_tiny(tmp_path / "tiny.gguf")
    options = LlamaOptions(threads=2, plan_dir=tmp_path / "plans", trial_dir=tmp_path / "trials")
    notes: list[str] = []
    engines = []
    for _ in range(2):
        with LlamaEngine(path, name="tiny", options=options, note=notes.append) as engine:
            engines.append((engine.planned.choices, texts(engine, [ask("One."), ask("Two."), ask("Three.")])))
    assert engines[0] == engines[1]
    assert engines[0][0].is_measured and engines[0][0].cost_of_rows(1) == 1
    assert notes.count("measuring once how this machine runs the model fastest …") == 1
    [file] = (tmp_path / "plans").iterdir()
    remembered = read_plan(file)
    assert remembered is not None and remembered.name == "tiny.gguf" and remembered.table is not None
    assert Way(1, 2, flash=True) in remembered.table.steps, "tried in a child, then timed"
