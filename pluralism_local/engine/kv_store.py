"""Finished prefixes, kept outside any context: KV cells as bytes, found by what they were made from.

    put(codes, data) … best(codes) -> the entry that agrees longest, and how far

Codes carry the adapter's slot (see `schedule`), so another adapter's cells can never be found. The least recently
used entries go first when the budget is exceeded; an entry larger than the budget is not kept at all. Entries that
only linger go before all others; those that are `lasting` go after all others, and take half of the budget together at
most.
Not thread-safe by itself: the engine holds `lock` around its calls from several lanes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pluralism_local.engine.markers import Marked
from pluralism_local.engine.schedule import Code, common_prefix

WORTH_RESTORING = 8
"""Shorter agreements than this many cells are decoded again: cheaper than copying the entry."""

WORTH_LINGERING = 64
"""Prompts that have fewer cells than this which are not kept yet are not kept for others to begin as they do."""

_NO_TEXT = Marked("")


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Cells of one sequence: their codes and llama.cpp's serialised state.

    Attributes:
        text: the prompt that they spell, for a turn that a follow-up goes on from.
        lasting: of use in every ask, however long it was not used.
        lingers: of use to the requests that come next, and to no later turn.
    """

    codes: tuple[Code, ...]
    data: bytes
    text: Marked = _NO_TEXT
    lasting: bool = False
    lingers: bool = False


class KVStore:
    """Entries by codes, within `budget` bytes.

    Args:
        window: the model's sliding window in tokens; 0 for none. A longer entry lacks cells before its own window
            (see `Context.save`), so that it cannot be cut and gone on from at an earlier place.
    """

    def __init__(self, budget: int, window: int = 0) -> None:
        self.budget, self._window = budget, window
        self.lock = threading.Lock()
        self._entries: list[Entry] = []

    @property
    def lasting_budget(self) -> int:
        """Bytes that lasting entries may take together."""
        return self.budget // 2

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(len(entry.data) for entry in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Entry) -> None:
        """Keep `entry` as the most recently used, in place of its equal and of the earlier turns it continues.

        Where it cannot be cut to the last of these, that one stays, too: a template that trims an answer goes on
        from before it. An entry without text replaces no turn: the turn's text is what a follow-up is found by (see
        `spelled`).
        """
        if len(entry.data) > self.budget:
            return

        def is_continued(old: Entry) -> bool:
            return (
                bool(old.text)
                and entry.text.startswith(old.text)
                and old.codes == entry.codes[: len(old.codes)]
            )

        earlier = sorted(filter(is_continued, self._entries), key=lambda old: len(old.codes))
        if earlier and not self.can_be_cut(len(entry.codes), len(earlier[-1].codes)):
            earlier.pop()
        self._entries = [old for old in self._entries if old not in earlier and old.codes != entry.codes]
        self._entries.append(entry)
        self._shrink([old for old in self._entries if old.lasting], self.lasting_budget)
        self._shrink(sorted(self._entries, key=lambda old: old.lasting - old.lingers), self.budget)

    def _shrink(self, entries: Sequence[Entry], most: int) -> None:
        """Forget the first of `entries` until those that are left of them take `most` bytes."""
        size = sum(len(entry.data) for entry in entries)
        for entry in entries:
            if size <= most:
                return
            self._entries.remove(entry)
            size -= len(entry.data)

    def exactly(self, codes: Sequence[Code]) -> Entry | None:
        """The entry of just these cells, which counts as used now."""
        entry = next((entry for entry in self._entries if entry.codes == tuple(codes)), None)
        if entry is not None:
            self._entries.remove(entry)
            self._entries.append(entry)
        return entry

    def best(self, codes: Sequence[Code], at_most: int) -> tuple[Entry, int] | None:
        """The entry agreeing with `codes` longest, and the number of cells usable: at most `at_most`.

        Of entries that agree equally far, the smallest: the rest of a larger one would be copied for nothing.
        """
        path = tuple(codes)
        longest: tuple[Entry, int] | None = None
        for entry in self._entries:
            length = min(common_prefix(entry.codes, path), at_most)
            if length < WORTH_RESTORING or not self.can_be_cut(len(entry.codes), length):
                continue
            if longest is None or (length, -len(entry.data)) > (longest[1], -len(longest[0].data)):
                longest = (entry, length)
        if longest is not None:
            self._entries.remove(longest[0])
            self._entries.append(longest[0])
        return longest

    def linger(self, codes: Sequence[Code], save: Callable[[], bytes]) -> None:
        """Keep the cells that `save` gives for others to begin with, if so many are not held that it is worth it."""
        best = self.best(codes, len(codes))
        if len(codes) - (best[1] if best else 0) >= WORTH_LINGERING:
            self.put(Entry(tuple(codes), save(), lingers=True))

    def can_be_cut(self, cells: int, length: int) -> bool:
        """Whether the first `length` of a sequence's `cells` are all that going on from there takes."""
        return not self._window or cells <= self._window or length >= cells - 1

    def spelled(self, text: Marked) -> Entry | None:
        """The entry whose own text is the longest beginning of `text`.

        A sampled answer is not always the tokenizer's own split of its text; continuing from the entry's tokens
        keeps a follow-up turn from decoding the conversation again.
        """
        fitting = [entry for entry in self._entries if entry.text and text.startswith(entry.text)]
        return max(fitting, key=lambda entry: len(entry.text), default=None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
