"""The store of prefixes: what it finds, what it forgets first, and that it never exceeds its budget."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.kv_store import WORTH_RESTORING, Entry, KVStore
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.schedule import Code, Job, common_prefix, encode

PLENTY = 10**9


def alone(number: int) -> tuple[Code, ...]:
    """Codes that agree with no other number's."""
    return encode([number] * WORTH_RESTORING)


def entry(codes: Sequence[Code], size: int = 1, text: str = "") -> Entry:
    return Entry(tuple(codes), bytes(size), Marked(text))


def find(store: KVStore, codes: Sequence[Code]) -> Entry | None:
    hit = store.best(codes, len(codes))
    return hit[0] if hit else None


# --- budget ---


@given(
    budget=st.integers(0, 20),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.integers(0, 25)), max_size=40),
)
def test_the_least_recently_used_go_first_and_only_as_many_as_must(
    budget: int, steps: list[tuple[bool, int, int]]
) -> None:
    store = KVStore(budget)
    by_use: list[tuple[int, int]] = []  # (number, size), least recently used first
    for put, number, size in steps:
        if not put:
            was = [held for held in by_use if held[0] == number]
            assert (find(store, alone(number)) is not None) == bool(was)
            by_use = [held for held in by_use if held[0] != number] + was
        else:
            store.put(entry(alone(number), size))
            if size <= budget:
                by_use = [held for held in by_use if held[0] != number] + [(number, size)]
                while sum(held for _, held in by_use) > budget:
                    del by_use[0]
        assert store.size == sum(held for _, held in by_use) <= budget
        assert len(store) == len(by_use)
    for number in range(8):
        hit = find(store, alone(number))
        assert (len(hit.data) if hit else None) == dict(by_use).get(number)


def test_an_entry_beyond_the_budget_is_not_kept_and_drives_nothing_out() -> None:
    store = KVStore(10)
    store.put(entry(alone(1), 4))
    store.put(entry(alone(2), 6, "kept"))
    store.put(entry(alone(3), 11))
    store.put(entry((*alone(2), 5), 11, "kept and more"))  # would replace the second
    assert (len(store), store.size) == (2, 10)
    assert find(store, alone(3)) is None
    assert store.spelled(Marked("kept")) is not None


def test_finding_an_entry_makes_it_recent() -> None:
    store = KVStore(2)
    for number in (1, 2):
        store.put(entry(alone(number)))
    find(store, alone(1))
    store.put(entry(alone(3)))
    assert [find(store, alone(number)) is not None for number in (1, 2, 3)] == [True, False, True]


@given(
    budget=st.integers(0, 20),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.integers(0, 12)), max_size=40),
)
def test_lasting_entries_go_after_all_others_and_take_half_at_most(
    budget: int, steps: list[tuple[bool, int, int]]
) -> None:
    store = KVStore(budget)
    for lasting, number, size in steps:
        before = [held for held in store._entries if held.lasting]
        store.put(Entry(alone(number), bytes(size), lasting=lasting))
        lasting_size = sum(len(held.data) for held in store._entries if held.lasting)
        assert lasting_size <= store.lasting_budget and store.size <= budget
        if not lasting and size <= budget:  # no other entry drives one out, unless it takes its place
            still = [held for held in before if held.codes != alone(number)]
            assert [held for held in store._entries if held.lasting] == still


@given(
    budget=st.integers(0, 20),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.integers(0, 12)), max_size=40),
)
def test_what_lingers_drives_nothing_else_out(budget: int, steps: list[tuple[bool, int, int]]) -> None:
    store = KVStore(budget)
    for lingers, number, size in steps:
        before = [held for held in store._entries if not held.lingers and held.codes != alone(number)]
        store.put(Entry(alone(number), bytes(size), lingers=lingers))
        others = [held for held in store._entries if not held.lingers and held.codes != alone(number)]
        assert store.size <= budget
        if lingers:
            assert others == before
        elif len(others) < len(before):  # for lack of room, which no lingering entry takes
            assert not any(held.lingers for held in store._entries)


def test_an_entry_is_found_by_just_its_cells_and_counts_as_used() -> None:
    store = KVStore(2)
    for number in (1, 2):
        store.put(entry(alone(number)))
    assert store.exactly(alone(1)) is not None
    assert store.exactly((*alone(1), 5)) is None and store.exactly(alone(1)[:-1]) is None
    store.put(entry(alone(3)))
    assert [store.exactly(alone(number)) is not None for number in (1, 2, 3)] == [True, False, True]


# --- finding ---


@st.composite
def stretches(draw: st.DrawFn) -> tuple[Code, ...]:
    """Codes of a prompt of few tokens, the last of them under some adapter."""
    tokens = draw(st.lists(st.integers(0, 1), min_size=WORTH_RESTORING, max_size=WORTH_RESTORING + 5))
    begin = draw(st.integers(0, len(tokens)))
    return encode(tokens[:begin]) + encode(tokens[begin:], draw(st.integers(0, 2)))


# prompts begin alike beyond the length that is worth restoring
alike = st.builds(lambda codes, size: encode([9] * size) + codes, stretches(), st.integers(7, 9))


@given(st.lists(st.tuples(alike, st.integers(1, 5)), max_size=6), alike, st.integers(0, 22))
def test_the_longest_agreement_is_found_in_the_smallest_entry(
    kept: list[tuple[tuple[Code, ...], int]], wanted: tuple[Code, ...], at_most: int
) -> None:
    store = KVStore(PLENTY)
    latest = dict(kept)
    for codes, size in kept:
        store.put(entry(codes, size))
    usable = {codes: min(common_prefix(codes, wanted), at_most) for codes in latest}
    longest = max(usable.values(), default=0)
    hit = store.best(wanted, at_most)
    if longest < WORTH_RESTORING:
        assert hit is None
        return
    assert hit is not None
    found, length = hit
    assert length == longest
    assert found.codes[:length] == wanted[:length]
    assert len(found.data) == min(latest[codes] for codes in latest if usable[codes] == longest)


def test_an_agreement_too_short_to_restore_is_not_found() -> None:
    store = KVStore(PLENTY)
    codes = encode(range(WORTH_RESTORING + 2))
    store.put(entry(codes))
    assert store.best(codes, WORTH_RESTORING - 1) is None
    assert store.best((*codes[: WORTH_RESTORING - 1], 99, 99), WORTH_RESTORING + 1) is None
    hit = store.best((*codes[:WORTH_RESTORING], 99, 99), WORTH_RESTORING + 2)
    assert hit is not None
    assert hit[1] == WORTH_RESTORING


def test_another_adapters_cells_are_never_found() -> None:
    tokens = tuple(range(30))
    store = KVStore(PLENTY)
    store.put(entry(Job(0, tokens, slot=1).codes))
    assert store.best(Job(0, tokens, slot=2).codes, 30) is None
    assert store.best(Job(0, tokens).codes, 30) is None
    store.put(entry(Job(0, tokens, slot=1, switch=20).codes))
    hit = store.best(Job(0, tokens, slot=2, switch=25).codes, 30)
    assert hit is not None
    assert hit[1] == 20


# --- replacing ---


def test_an_equal_entry_takes_the_olds_place() -> None:
    store = KVStore(PLENTY)
    store.put(entry(alone(1), 3))
    newer = entry(alone(1), 5)
    store.put(newer)
    assert (len(store), store.size) == (1, 5)
    assert find(store, alone(1)) is newer


def test_a_later_turn_takes_the_earlier_turns_place_and_leaves_shared_prefixes() -> None:
    root, first = entry(alone(1), 8), entry((*alone(1), 2), 9, "Hello. Hi!")
    second = entry((*first.codes, 3), 10, "Hello. Hi! Bye.")
    store = KVStore(PLENTY)
    for kept in (root, first, second):
        store.put(kept)
    assert (len(store), store.size) == (2, 18)
    assert find(store, root.codes) is root
    assert find(store, first.codes) is second
    assert store.spelled(Marked("Hello. Hi! So?")) is None


def test_an_entry_without_text_leaves_the_turn_it_continues_findable() -> None:
    turn = entry((*alone(1), 2), text="Hello. Hi!")
    store = KVStore(PLENTY)
    store.put(turn)
    store.put(entry((*turn.codes, 3, 4)))
    assert store.spelled(Marked("Hello. Hi! And then")) is turn


def test_another_branch_of_a_conversation_replaces_nothing() -> None:
    store = KVStore(PLENTY)
    store.put(entry((*alone(1), 2), text="Hello. Hi!"))
    store.put(entry((*alone(1), 3), text="Hello. Ho!"))
    assert len(store) == 2


# --- spelling ---


@given(st.lists(st.text(alphabet="ab", max_size=5), max_size=8), st.text(alphabet="ab", max_size=6))
def test_the_longest_spelled_beginning_is_found(texts: list[str], wanted: str) -> None:
    store = KVStore(PLENTY)
    for number, text in enumerate(texts):
        store.put(entry(alone(number), text=text))
    fitting = [text for text in texts if text and wanted.startswith(text)]
    found = store.spelled(Marked(wanted))
    assert (found.text if found else None) == max(fitting, key=len, default=None)


def test_clear_forgets_everything() -> None:
    store = KVStore(PLENTY)
    store.put(entry(alone(1), text="Hello."))
    store.clear()
    assert (len(store), store.size) == (0, 0)
    assert find(store, alone(1)) is None
    assert store.spelled(Marked("Hello.")) is None


@given(cells=st.integers(9, 60), length=st.integers(8, 60), window=st.sampled_from((0, *range(2, 60))))
def test_what_a_sliding_window_left_is_cut_only_where_nothing_is_missing(
    cells: int, length: int, window: int
) -> None:
    length = min(cells, length)
    store = KVStore(PLENTY, window)
    codes = encode(range(cells))
    store.put(entry(codes))
    there = {
        i for i in range(cells) if not window or cells - 1 - i < window
    }  # those that `Context.save` gives
    needed = {i for i in range(length) if not window or length - i < window}
    hit = store.best(codes, length)
    assert (hit is not None) == (needed <= there)
    assert hit is None or hit[1] == length


def test_with_a_window_the_turn_before_stays_beside_the_last() -> None:
    store = KVStore(PLENTY, window=WORTH_RESTORING)
    codes, text = alone(1), "a"
    for turn in range(2, 6):
        store.put(entry(codes, text=text))
        assert len(store) == min(turn - 1, 2)
        codes, text = (*codes, *alone(turn)), text + "b"
    before = (*alone(1), *alone(2), *alone(3))
    hit = store.best((*before, *alone(9)), PLENTY)
    assert hit is not None
    assert hit[1] == len(before)
