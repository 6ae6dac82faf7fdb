"""What is chosen from tables: never slower by the table than the rules, and the rules where nothing is better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralism_local.engine.planner import Batch, Choices, Way, WayTimes, choose
from pluralism_local.engine.planner.choices import (
    MOST_JOBS,
    MOST_ROWS,
    apart_seconds,
    ask_seconds,
    batch_seconds,
)
from pluralism_local.engine.planner.measure import turns

seconds = st.floats(1e-4, 10)


@st.composite
def tables(draw: st.DrawFn, cores: int, flash: bool) -> WayTimes:
    """A table over a beginning of what is timed, as a slow machine leaves it, with figures of any kind."""
    every = turns(cores, cores, flash=flash, other_flash=draw(st.booleans()))
    steps: dict[Way, dict[int, float]] = {}
    prefill: dict[Way, float] = {}
    for turn in every[: draw(st.integers(4, len(every)))]:
        if turn.rows:
            steps.setdefault(turn.way, {})[turn.rows] = draw(seconds)
        else:
            prefill[turn.way] = draw(seconds)
    return WayTimes(prefill, steps)


@settings(deadline=None, max_examples=50)
@given(st.data(), st.sampled_from([1, 2, 3, 4, 6, 8, 16]), st.booleans())
def test_no_choice_is_slower_by_the_table_than_the_rules(
    data: st.DataObject, cores: int, flash: bool
) -> None:
    table = data.draw(tables(cores, flash))
    rules = Choices.of_rules(cores, cores, flash=flash)
    choices = choose(table, rules, cores)
    assert ask_seconds(table, choices) <= ask_seconds(table, rules)
    same = replace(rules, threads=choices.threads, flash=choices.flash)
    for jobs in range(1, MOST_JOBS + 9):
        by_rule = batch_seconds(table, same, same.batch_for(jobs), min(jobs, MOST_JOBS))
        assert batch_seconds(table, choices, choices.batch_for(jobs), min(jobs, MOST_JOBS)) <= by_rule
        by_rule = apart_seconds(table, same, same.lanes_apart(jobs), min(jobs, MOST_JOBS))
        assert apart_seconds(table, choices, choices.lanes_apart(jobs), min(jobs, MOST_JOBS)) <= by_rule
        assert choices.lanes_apart(jobs) <= cores and choices.batch_for(jobs).lanes <= cores
    costs = [choices.cost_of_rows(rows) or math.nan for rows in range(1, 40)]
    assert costs[0] == 1 and costs == sorted(costs)
    assert choose(table, rules, cores) == choices
    assert Choices.from_record(choices.record()) == choices
    assert WayTimes.from_record(table.record()) == table


def table(alone: dict[int, float], side: dict[int, float], one: dict[int, float] | None = None) -> WayTimes:
    """Of two cores, without flash attention; a prompt's token takes a tenth of a single one."""
    ways = {Way(1, 2): alone, Way(2, 1): side, **({Way(1, 1): one} if one else {})}
    return WayTimes({way: steps[1] / 10 for way, steps in ways.items() if way.lanes == 1}, ways)


RULES = Choices.of_rules(2, 2)


def test_where_nothing_is_gained_the_rules_stay() -> None:
    linear = {rows: rows / 100 for rows in (1, 4, 8, 16)}
    choices = choose(table(linear, {rows: rows / 50 for rows in (1, 4, 8)}), RULES, 2)
    for jobs in range(2, MOST_JOBS + 1, 2):  # an odd one leaves a lane with one job more
        assert choices.batch_for(jobs) == RULES.batch_for(jobs)
        assert choices.lanes_apart(jobs) == RULES.lanes_apart(jobs)
    assert (choices.threads, choices.flash) == (2, False)
    assert choices.cost_of_rows(8) == 8 and RULES.cost_of_rows(8) is None


def test_where_threads_wait_for_each_other_jobs_run_side_by_side() -> None:
    alone = {1: 0.010, 4: 0.020, 8: 0.040, 16: 0.080}
    choices = choose(table(alone, {1: 0.010, 4: 0.020, 8: 0.040}), RULES, 2)
    assert choices.batch_for(4) == Batch(2, 16), "two each: the rule wants three"
    assert choices.lanes_apart(6) == 2


def test_where_memory_is_the_limit_one_context_reads_the_weights_once() -> None:
    alone = {1: 0.010, 4: 0.011, 8: 0.012, 16: 0.013}
    choices = choose(table(alone, {1: 0.020, 4: 0.022, 8: 0.024}), RULES, 2)
    assert {choices.batch_for(jobs).lanes for jobs in range(1, 17)} == {1}
    assert choices.lanes_apart(6) == 2, "one after the other takes as long"


def test_batches_are_cut_where_many_rows_fall_out_of_the_cache() -> None:
    alone = {1: 0.010, 4: 0.012, 8: 0.020, 16: 0.200}
    choices = choose(table(alone, {1: 0.1, 4: 0.2, 8: 0.4}), RULES, 2)
    assert choices.batch_for(16) == Batch(1, 8)


def test_fewer_threads_and_the_other_attention_are_taken_for_a_real_gain_only() -> None:
    alone, side = {1: 0.010, 8: 0.080}, {1: 1.0, 4: 1.0}
    for gain, threads in ((0.97, 2), (0.8, 1)):
        one = {rows: seconds * gain for rows, seconds in alone.items()}
        assert choose(table(alone, side, one), RULES, 2).threads == threads
    plain = table(alone, side)
    for gain, flash in ((0.95, False), (0.85, True)):
        way = Way(1, 2, flash=True)
        steps = {rows: seconds * gain for rows, seconds in alone.items()}
        both = WayTimes({**plain.prefill, way: 0.001 * gain}, {**plain.steps, way: steps})
        assert choose(both, RULES, 2).flash == flash


def test_lanes_that_were_not_measured_are_estimated_by_more_of_them_or_left_to_the_rule() -> None:
    alone = {rows: rows / 100 for rows in (1, 4, 8, 16)}
    side = {rows: rows / 100 for rows in (1, 4, 8)}
    rules = Choices.of_rules(8, 8)
    measured = WayTimes({Way(1, 8): 0.001}, {Way(1, 8): alone, Way(8, 1): side})
    assert choose(measured, rules, 8).lanes_apart(6) == 6
    unmeasured = WayTimes({Way(1, 8): 0.001}, {Way(1, 8): alone})
    assert choose(unmeasured, rules, 8).batches == rules.batches


def test_a_step_takes_as_long_as_was_measured_and_a_prompt_by_its_tokens() -> None:
    choices = choose(table({1: 0.010, 4: 0.016, 16: 0.040}, {1: 1.0, 4: 1.0}), RULES, 2)
    assert [choices.seconds_of(rows) for rows in (1, 4, 10)] == pytest.approx([0.010, 0.016, 0.028])
    assert choices.seconds_of(128) == pytest.approx(0.128)
    assert RULES.seconds_of(1) is None


def test_the_id_changes_with_what_rounds_and_with_nothing_else() -> None:
    others = [replace(RULES, threads=1), replace(RULES, flash=True), replace(RULES, row_costs=(1.0, 1.2))]
    ids = {choices.plan_id for choices in (RULES, *others)}
    assert len(ids) == 4 and all(len(one) == 8 for one in ids)
    assert replace(RULES, step_seconds=0.1).plan_id == RULES.plan_id


@pytest.mark.parametrize(
    "change",
    [
        {"threads": 0},
        {"threads": "2"},
        {"apart": []},
        {"batches": []},
        {"batches": [{"lanes": 0, "rows": 4}]},
        {"batches": [{"lanes": 1}]},
        {"row_costs": ["x"]},
        {"step_seconds": "soon"},
    ],
)
def test_a_record_of_something_else_is_no_choice(change: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Choices.from_record({**RULES.record(), **change})


def test_many_rows_are_kept_within_a_context() -> None:
    record = RULES.record()
    record["batches"] = [{"lanes": 1, "rows": 999}]
    assert Choices.from_record(record).batch_for(3).rows == MOST_ROWS
