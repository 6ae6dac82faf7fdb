"""Threads of a step, on machines that are simulated: quiet, busy from the start, busy for a while."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.engine.pace import OtherWork, Pace

QUIET, ALONE = 0.010, 0.018


class Machine:
    """Two cores; `step` takes a step of one row and says how many threads it had."""

    def __init__(
        self, slow: Callable[[float], float], *, told: bool = True, most: int = 2, measured: bool = False
    ) -> None:
        self.now, self.slow = 0.0, slow
        self.pace = Pace(
            most,
            lambda: self.now,
            lambda: 1.0 if told and slow(self.now) > 2 else 0.0,
            lambda rows: QUIET * rows if measured else None,
        )

    def step(self, rows: int = 1) -> int:
        threads = self.pace.threads()
        factor = self.slow(self.now)
        # one thread shares its core with others, and waits for nobody
        seconds = (QUIET * factor if threads > 1 else ALONE * min(factor, 1.3)) * rows
        self.now += seconds
        self.pace.took(rows, threads, seconds)
        return threads

    def run(self, steps: int) -> list[int]:
        return [self.step() for _ in range(steps)]


def test_a_quiet_machine_uses_all_threads_always() -> None:
    noise = random.Random(0)
    machine = Machine(lambda _: noise.uniform(0.9, 1.4), told=False)
    assert set(machine.run(2000)) == {2}


def test_one_slow_step_is_no_sign() -> None:
    hiccups = {100, 700, 1500}
    machine = Machine(lambda _: 1.0, told=False)
    threads = []
    for number in range(2000):
        machine.slow = (lambda _: 1.9) if number in hiccups else (lambda _: 1.0)
        threads.append(machine.step())
    assert threads.count(1) == 0


@pytest.mark.parametrize("told", [True, False])
def test_a_machine_that_is_busy_from_the_start_works_with_one_thread(told: bool) -> None:
    noise = random.Random(1)
    machine = Machine(lambda _: noise.uniform(4, 20), told=told)
    machine.run(20)
    began, threads = machine.now, machine.run(400)
    assert threads.count(1) > 0.95 * 400
    assert machine.now - began < 1.6 * 400 * ALONE * 1.3, "all threads are tried again, but seldom"


def test_steps_that_are_all_slow_alike_are_noticed_by_what_others_use() -> None:
    machine = Machine(lambda _: 6.0)
    assert machine.run(400)[-200:].count(1) > 190
    unaware = Machine(lambda _: 6.0, told=False)
    assert set(unaware.run(400)) == {2}, "nothing tells that this is not the machine's pace"


def test_steps_far_slower_than_measured_are_noticed_at_the_second() -> None:
    machine = Machine(lambda _: 6.0, told=False, measured=True)
    assert machine.run(5) == [2, 2, 1, 1, 1], "one thread is tried in two steps, and stays"
    assert machine.run(400)[-200:].count(1) > 190
    prompts = Machine(lambda _: 6.0, told=False, measured=True)
    assert [prompts.step(rows=128) for _ in range(5)] == [2, 2, 1, 1, 1]


def test_a_quiet_machine_uses_all_threads_on_long_texts_too() -> None:
    noise = random.Random(3)
    machine = Machine(lambda _: noise.uniform(1.2, 2.3), told=False, measured=True)
    assert set(machine.run(500)) == {2}


def test_load_that_comes_and_goes_is_followed() -> None:
    noise = random.Random(2)
    machine = Machine(lambda now: noise.uniform(4, 20) if 5 < now < 40 else noise.uniform(0.9, 1.3))
    steps: list[tuple[float, int]] = []
    while machine.now < 60:
        steps.append((machine.now, machine.step()))
    assert {threads for began, threads in steps if began < 5} == {2}
    busy = [threads for began, threads in steps if 10 < began < 39]
    assert busy.count(1) > 0.95 * len(busy)
    assert {threads for began, threads in steps if began > 55} == {2}


def test_prompts_and_single_tokens_are_told_apart() -> None:
    machine = Machine(lambda _: 1.0, told=False)
    for _ in range(100):
        assert machine.step(rows=128) == 2
        assert machine.step(rows=1) == 2


def test_a_single_thread_is_left_alone() -> None:
    machine = Machine(lambda _: 50.0, most=1)
    assert set(machine.run(50)) == {1}


def test_the_work_of_others_is_read_once_a_second(tmp_path: Path) -> None:
    stat, now = tmp_path / "stat", 100.0
    others = OtherWork(stat, lambda: now)

    def write(ticks: int) -> None:
        stat.write_text(f"cpu  {ticks} 0 0 5000 0 0 0 0 0 0\ncpu0 1 2 3\n")

    write(1_000_000)
    assert others() == 0
    now += 2
    write(1_000_300)
    assert others() == pytest.approx(1.5, abs=0.3)  # of 100 ticks a second
    write(9_000_000)
    now += 0.5
    assert others() == pytest.approx(1.5, abs=0.3), "too early to look again"


@pytest.mark.parametrize("text", ["", "cpu a b", "cpu 1 2"])
def test_a_system_that_does_not_tell_counts_as_quiet(tmp_path: Path, text: str) -> None:
    (tmp_path / "stat").write_text(text)
    assert OtherWork(tmp_path / "stat")() == 0
    assert OtherWork(tmp_path / "none")() == 0
