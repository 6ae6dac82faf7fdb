"""The planner against naive counts: which cells jobs share, which jobs run together, which rows are decoded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.schedule import (
    BASE_SLOT,
    Code,
    ContextLimits,
    Job,
    Row,
    Schedule,
    Wave,
    common_prefix,
    distinct_cells,
    encode,
    make_schedule,
    make_stacked_schedule,
    prefill_rows,
    token_of,
)

BIG = ContextLimits(10**6, 10**6)

# two tokens only, so that prompts often begin alike
prompts = st.lists(st.integers(0, 1), min_size=1, max_size=10).map(tuple)


@st.composite
def one_job(draw: st.DrawFn) -> Job:
    tokens = draw(prompts)
    slot = draw(st.integers(0, 2))
    switch = draw(st.integers(0, len(tokens) - 1))  # means nothing for the base
    return Job(0, tokens, slot, switch, draw(st.integers(0, 5)))


job_lists = st.lists(one_job(), max_size=12).map(
    lambda jobs: [replace(job, index=index) for index, job in enumerate(jobs)]
)


@st.composite
def jobs_and_limits(draw: st.DrawFn) -> tuple[list[Job], ContextLimits]:
    """Limits that hold each job alone, often barely."""
    jobs = draw(job_lists)
    needed = max((need(job) for job in jobs), default=1)
    return jobs, ContextLimits(needed + draw(st.integers(0, 12)), draw(st.integers(1, 5)))


def need(job: Job) -> int:
    return len(job.tokens) + job.room


def all_prefixes(path: Sequence[Code]) -> set[tuple[Code, ...]]:
    return {tuple(path[: i + 1]) for i in range(len(path))}


def order(schedule: Schedule, slot: int) -> list[Job]:
    return [job for wave in schedule.waves if wave.slot == slot for job in wave.jobs]


# --- what a cell is ---


@given(tokens=prompts, slot=st.integers(0, 2**20))
def test_codes_keep_their_tokens(tokens: tuple[int, ...], slot: int) -> None:
    assert tuple(map(token_of, encode(tokens, slot))) == tokens
    assert encode(tokens) == tokens


def test_codes_at_the_edge_of_the_vocabulary_do_not_collide() -> None:
    assert encode([2**32 - 1], 1) != encode([0], 2)
    assert token_of(encode([2**32 - 1], 3)[0]) == 2**32 - 1


@given(left=one_job(), right=one_job())
def test_jobs_share_cells_as_far_as_token_and_active_adapter_agree(left: Job, right: Job) -> None:
    def cells(job: Job) -> list[tuple[int, int]]:
        return [(token, job.slot if i >= job.switch else 0) for i, token in enumerate(job.tokens)]

    pairs = zip(cells(left), cells(right), strict=False)
    assert common_prefix(left.codes, right.codes) == len(
        list(itertools.takewhile(lambda p: p[0] == p[1], pairs))
    )


@given(tokens=prompts, data=st.data())
def test_adapters_share_a_prompt_up_to_the_earlier_switch_and_no_further(
    tokens: tuple[int, ...], data: st.DataObject
) -> None:
    switches = [data.draw(st.integers(0, len(tokens) - 1)) for _ in range(2)]
    first, second = (Job(0, tokens, slot, switch) for slot, switch in enumerate(switches, start=1))
    assert common_prefix(first.codes, second.codes) == min(switches)
    assert common_prefix(first.codes, Job(0, tokens).codes) == switches[0]


@given(st.lists(prompts, max_size=10))
def test_distinct_cells_counts_prefixes(paths: list[tuple[int, ...]]) -> None:
    assert distinct_cells(paths) == len(set().union(*map(all_prefixes, paths)))


# --- waves ---


@given(jobs_and_limits())
def test_every_job_runs_exactly_once_with_its_own_adapter_within_the_limits(
    given_: tuple[list[Job], ContextLimits],
) -> None:
    jobs, limits = given_
    schedule = make_schedule(jobs, limits)
    assert sorted((job for wave in schedule.waves for job in wave.jobs), key=lambda job: job.index) == jobs
    for wave in schedule.waves:
        assert {job.slot for job in wave.jobs} == {wave.slot}
    for wave in schedule.waves + schedule.roots:
        assert 1 <= len(wave.jobs) <= limits.sequences
        held = set().union(*(all_prefixes(job.codes) for job in wave.jobs))
        assert wave.cells == len(held) + sum(job.room for job in wave.jobs) <= limits.cells
        assert wave.cells >= max(map(need, wave.jobs))


@given(jobs_and_limits())
def test_a_wave_ends_only_where_the_next_job_does_not_fit(given_: tuple[list[Job], ContextLimits]) -> None:
    jobs, limits = given_
    for left, right in itertools.pairwise(make_schedule(jobs, limits).waves):
        if left.slot == right.slot:
            longer = Wave(left.slot, (*left.jobs, right.jobs[0]))
            assert len(longer.jobs) > limits.sequences or longer.cells > limits.cells


@given(job_lists)
def test_roots_are_the_distinct_base_stretches(jobs: list[Job]) -> None:
    roots = [job for wave in make_schedule(jobs, BIG).roots for job in wave.jobs]
    wanted = {job.tokens[: job.switch] for job in jobs if job.slot != BASE_SLOT and job.switch > 0}
    assert len(roots) == len(wanted)
    assert {root.codes for root in roots} == wanted
    assert all(root.slot == BASE_SLOT and root.room == 0 for root in roots)
    assert len({root.index for root in roots}) == len(roots)


@given(jobs_and_limits())
def test_jobs_that_begin_alike_are_adjacent(given_: tuple[list[Job], ContextLimits]) -> None:
    jobs, limits = given_
    schedule = make_schedule(jobs, limits)
    for slot in {wave.slot for wave in schedule.waves}:
        ordered = [job.codes for job in order(schedule, slot)]
        for prefix in set().union(*map(all_prefixes, ordered)):
            places = [i for i, codes in enumerate(ordered) if codes[: len(prefix)] == prefix]
            assert places == list(range(places[0], places[-1] + 1))


def test_a_long_job_between_does_not_part_those_that_begin_alike() -> None:
    jobs = [Job(0, (1, 1)), Job(1, (7, 7)), Job(2, (1, 1, 2, 2, 2, 2)), Job(3, (1, 1, 3))]
    assert [job.index for job in order(make_schedule(jobs, BIG), BASE_SLOT)] == [0, 2, 3, 1]


@given(job_lists)
def test_jobs_that_share_nothing_keep_their_order(jobs: list[Job]) -> None:
    apart = [replace(job, tokens=(50 - job.index, *job.tokens)) for job in jobs]
    schedule = make_schedule(apart, BIG)
    slots = list(dict.fromkeys(wave.slot for wave in schedule.waves))
    assert slots == list(dict.fromkeys(job.slot for job in jobs))
    for slot in slots:
        assert order(schedule, slot) == [job for job in apart if job.slot == slot]


@given(jobs_and_limits(), st.permutations(range(2)))
def test_the_order_depends_on_sharing_and_not_on_which_tokens_are_shared(
    given_: tuple[list[Job], ContextLimits], renamed: list[int]
) -> None:
    jobs, limits = given_
    other = [replace(job, tokens=tuple(renamed[token] + 9 for token in job.tokens)) for job in jobs]

    def shape(schedule: Schedule) -> list[list[int]]:
        return [[job.index for job in wave.jobs] for wave in schedule.waves]

    assert make_schedule(jobs, limits) == make_schedule(list(jobs), limits)
    assert shape(make_schedule(jobs, limits)) == shape(make_schedule(other, limits))


@given(job_lists.filter(bool), st.data())
def test_limits_that_cannot_hold_a_single_job_are_refused(jobs: list[Job], data: st.DataObject) -> None:
    largest = max(map(need, jobs))
    make_schedule(jobs, ContextLimits(largest, 1))
    with pytest.raises(ValueError, match="job"):
        make_schedule(jobs, ContextLimits(largest - 1, data.draw(st.integers(1, 20))))
    with pytest.raises(ValueError, match="job"):
        make_schedule(jobs, ContextLimits(10**6, 0))


def test_no_jobs_no_waves() -> None:
    assert make_schedule([], ContextLimits(1, 1)) == Schedule((), (), lanes=1)


@given(job_lists.filter(bool), st.integers(1, 5))
def test_jobs_of_one_adapter_are_dealt_out_evenly(jobs: list[Job], lanes: int) -> None:
    alike = [replace(job, slot=1) for job in jobs]
    schedule = make_schedule(alike, BIG, lanes)
    assert sorted(job.index for wave in schedule.waves for job in wave.jobs) == sorted(
        job.index for job in jobs
    )
    assert max(len(wave.jobs) for wave in schedule.waves) == -(-len(jobs) // lanes)
    assert schedule.lanes == lanes


# --- stacked adapters ---


@given(job_lists.filter(bool), st.integers(1, 5))
def test_stacked_adapters_share_waves_and_every_job_comes_once(jobs: list[Job], lanes: int) -> None:
    schedule = make_stacked_schedule(jobs, lanes, BIG)
    dealt = [job for wave in schedule.waves for job in wave.jobs]
    assert sorted(dealt, key=lambda job: job.index) == sorted(jobs, key=lambda job: job.index)
    assert len(schedule.waves) <= lanes
    assert max(len(wave.jobs) for wave in schedule.waves) <= -(-len(jobs) // lanes)
    assert {job.tokens for wave in schedule.roots for job in wave.jobs} == {
        job.root for job in jobs if job.root
    }


# --- rows ---

Paths = dict[int, tuple[Code, ...]]
Ready = dict[int, tuple[object, int]]

coded = one_job().map(lambda job: job.codes)


@st.composite
def partly_ready(draw: st.DrawFn) -> tuple[Paths, Ready]:
    """Paths, some of which begin like a stored entry; as a lane finds them."""
    ids = draw(st.lists(st.integers(0, 15), min_size=1, max_size=8, unique=True))
    paths = {sequence: draw(coded) for sequence in ids}
    stored = draw(st.lists(coded, max_size=2))
    ready: Ready = {}
    for sequence, path in paths.items():
        source = draw(st.integers(-1, len(stored) - 1))
        known = min(common_prefix(stored[source], path), len(path) - 1) if source >= 0 else 0
        if known:
            ready[sequence] = (source, known)
    return paths, ready


def replay(rows: Sequence[Row], paths: Mapping[int, Sequence[Code]], ready: Ready) -> dict[int, list[object]]:
    """The cells of each sequence after `rows`; fails where a row would land in a wrong place."""
    cells: dict[int, list[object]] = {}
    for sequence in paths:
        source, known = ready.get(sequence, (None, 0))
        cells[sequence] = [(source, i) for i in range(known)]
    for number, row in enumerate(rows):
        before = cells[row.sequences[0]].copy()
        for sequence in row.sequences:
            # one cell has one past: its sequences must hold the very same cells before it
            assert cells[sequence] == before
            assert len(before) == row.position
            cells[sequence].append(number)
    return cells


@given(partly_ready())
def test_rows_bring_every_sequence_to_its_whole_path(given_: tuple[Paths, Ready]) -> None:
    paths, ready = given_
    rows = prefill_rows(paths, ready)
    for sequence, cells in replay(rows, paths, ready).items():
        _, known = ready.get(sequence, (None, 0))
        new = [rows[number].token for number in cells[known:] if isinstance(number, int)]
        assert new == [token_of(code) for code in paths[sequence][known:]]
    for row in rows:
        assert row.sequences == sorted(set(row.sequences))
        assert len({tuple(paths[s][: row.position + 1]) for s in row.sequences}) == 1


@given(partly_ready())
def test_no_cell_is_decoded_twice_and_none_that_is_ready(given_: tuple[Paths, Ready]) -> None:
    paths, ready = given_
    distinct: set[object] = set()
    for sequence, path in paths.items():
        source, known = ready.get(sequence, (None, 0))
        distinct |= {(source, known, path[: i + 1]) for i in range(known, len(path))}
    assert len(prefill_rows(paths, ready)) == len(distinct)
    assert len(prefill_rows(paths, {})) == distinct_cells(paths.values())


@given(partly_ready())
def test_logits_are_wanted_at_the_ends_of_paths_and_nowhere_else(given_: tuple[Paths, Ready]) -> None:
    paths, ready = given_
    for row in prefill_rows(paths, ready):
        ends = [sequence for sequence in row.sequences if len(paths[sequence]) == row.position + 1]
        assert row.output == bool(ends)


def test_sequences_share_after_one_source_and_not_after_two() -> None:
    path = encode([5, 6, 7, 8])
    together = prefill_rows({0: path, 1: path}, {0: ("entry", 2), 1: ("entry", 2)})
    assert [(row.token, row.position, row.sequences) for row in together] == [(7, 2, [0, 1]), (8, 3, [0, 1])]
    apart = prefill_rows({0: path, 1: path}, {0: ("entry", 2), 1: ("other", 2)})
    assert [row.sequences for row in apart] == [[0], [0], [1], [1]]
    uneven = prefill_rows({0: path, 1: path}, {0: ("entry", 2), 1: ("entry", 3)})
    assert [row.sequences for row in uneven] == [[0], [0], [1]]


def test_a_path_that_ends_inside_another_has_logits_there() -> None:
    rows = prefill_rows({3: encode([1, 2, 3]), 1: encode([1, 2])}, {})
    assert [(row.sequences, row.output) for row in rows] == [([1, 3], False), ([1, 3], True), ([3], True)]


@pytest.mark.parametrize("known", [2, 3])
def test_a_sequence_with_nothing_left_to_decode_is_refused(known: int) -> None:
    with pytest.raises(ValueError, match="sequence 1"):
        prefill_rows({0: (4,), 1: (4, 5)}, {1: ("entry", known)})
    with pytest.raises(ValueError, match="sequence 0"):
        prefill_rows({0: ()}, {})
