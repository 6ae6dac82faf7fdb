"""What to decode, in which order: pure, no llama.cpp.

    Job (one request's tokens, and where its adapter begins)
      ──> make_schedule ──> prefixes: what recurs from ask to ask, each read alone and once for good
                        roots: base prefixes of activated adapters, each decoded once for everybody
                        waves: jobs of one adapter that run together in one context
      ──> prefill_rows ──> the rows of one batch: a token, its position, every sequence that shares it

A KV cell depends on its token, on all tokens before it and on the adapter that was active at each of them. So
the identity of a cell is the path of *codes* up to it, a code being the token together with the adapter's slot.
Two jobs may share cells exactly as far as their codes agree; nothing else is ever compared.

Failure modes: a job longer than the context is refused by the caller before it comes here; `make_schedule` refuses
limits that cannot hold a single job (ValueError, a bug).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

BASE_SLOT = 0
_SLOT_SHIFT = 32

Code = int


def encode(tokens: Sequence[int], slot: int = BASE_SLOT) -> tuple[Code, ...]:
    """The codes of `tokens` decoded while adapter `slot` is active; for the base they are the tokens."""
    stretch = slot << _SLOT_SHIFT
    return tuple(stretch | token for token in tokens)


def token_of(code: Code) -> int:
    """The token in a code."""
    return code & ((1 << _SLOT_SHIFT) - 1)


def slot_of(code: Code) -> int:
    """The slot in a code."""
    return code >> _SLOT_SHIFT


def common_prefix(left: Sequence[Code], right: Sequence[Code]) -> int:
    """How many leading codes agree."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(i for i in range(length) if left[i] != right[i])


@dataclass(frozen=True, slots=True)
class Prefix:
    """Tokens of the base that prompts begin with whatever is asked (see `recurring`).

    Attributes:
        tokens: at least one.
        head: how many of them, from the first, other prefixes have too, and are read before the rest; 0 for none.
    """

    tokens: tuple[int, ...]
    head: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One request, ready to decode.

    Attributes:
        index: position in the caller's list.
        tokens: the whole prompt, at least one token.
        slot: adapter slot, 0 for the base.
        switch: the adapter acts from this position on; 0 for an adapter that acts always. Below
            len(tokens), so that the last prompt token, whose logits are sampled, is the adapter's.
        room: cells wanted for new tokens.
        prefix: what recurs of the prompt, as far as it is the base's own; None if that is not worth reading apart.
    """

    index: int
    tokens: tuple[int, ...]
    slot: int = BASE_SLOT
    switch: int = 0
    room: int = 0
    prefix: Prefix | None = None

    @property
    def root(self) -> tuple[Code, ...]:
        """The stretch that is the base's own: shared with every other adapter."""
        return self.tokens[: self.switch] if self.slot != BASE_SLOT else ()

    @property
    def codes(self) -> tuple[Code, ...]:
        """Identity of the prompt's cells."""
        if self.slot == BASE_SLOT:
            return encode(self.tokens)
        return self.root + encode(self.tokens[self.switch :], self.slot)


@dataclass(frozen=True, slots=True)
class Wave:
    """Jobs that are decoded together in one context: of one adapter slot, or of several where these are stacked."""

    slot: int
    jobs: tuple[Job, ...]

    @property
    def cells(self) -> int:
        """KV cells the wave takes: distinct prompt cells plus the room of each job."""
        return distinct_cells(job.codes for job in self.jobs) + sum(job.room for job in self.jobs)


@dataclass(frozen=True, slots=True)
class ContextLimits:
    """What one context can hold: KV cells and sequences."""

    cells: int
    sequences: int

    def hold(self, wave: Wave) -> bool:
        """Whether `wave` fits."""
        return len(wave.jobs) <= self.sequences and wave.cells <= self.cells


@dataclass(frozen=True, slots=True)
class Schedule:
    """Prefixes and roots first (base), then the waves, which are independent of each other.

    `lanes` is how many waves may run side by side: where that pays, since they cannot be one batch, as those of
    different adapters, or were cut so on purpose.
    """

    roots: tuple[Wave, ...]
    waves: tuple[Wave, ...]
    lanes: int
    prefixes: tuple[Prefix, ...] = ()


def distinct_cells(paths: Iterable[Sequence[Code]]) -> int:
    """Size of the trie of `paths`: cells needed when every shared prefix is held once."""
    ordered = sorted(tuple(path) for path in paths)
    total = 0
    previous: tuple[Code, ...] = ()
    for path in ordered:
        total += len(path) - common_prefix(previous, path)
        previous = path
    return total


def make_schedule(
    jobs: Sequence[Job],
    limits: ContextLimits,
    lanes: int = 1,
    apart: Callable[[int], int] = lambda waves: waves,
) -> Schedule:
    """Group `jobs` into waves: one adapter per wave, each wave within `limits`, every job exactly once.

    Jobs of an adapter keep their order, except that those with a common prefix, however short, come together, so
    that a wave shares as much as it can; a wave is closed when the next job does not fit. Distinct roots become
    base jobs without room, and distinct prefixes are listed. Jobs of one and the same adapter are dealt out evenly to
    `lanes`; of the waves of several adapters as many run side by side as `apart` says of their number.

    Raises:
        ValueError: a single job exceeds `limits` (the caller checks the context first).
    """
    by_slot: dict[int, list[Job]] = {}
    for job in jobs:
        by_slot.setdefault(job.slot, []).append(job)
    own = limits if len(by_slot) > 1 else _dealt(limits, len(jobs), lanes)
    waves = [wave for slot, group in by_slot.items() for wave in _fill_waves(slot, group, own)]
    return _with_beginnings(jobs, waves, apart(len(waves)) if len(by_slot) > 1 else lanes, limits)


def make_stacked_schedule(jobs: Sequence[Job], lanes: int, limits: ContextLimits) -> Schedule:
    """The schedule for stacked adapters (see `stacking`): jobs of all slots, the base's too, share waves.

    The jobs are dealt out to `lanes` evenly, neighbours together; distinct roots become base jobs without room, and
    distinct prefixes are listed.

    Raises:
        ValueError: a single job exceeds `limits`.
    """
    waves = _fill_waves(BASE_SLOT, jobs, _dealt(limits, len(jobs), lanes))
    return _with_beginnings(jobs, waves, lanes, limits)


def _with_beginnings(
    jobs: Sequence[Job], waves: Sequence[Wave], lanes: int, limits: ContextLimits
) -> Schedule:
    """The schedule of these waves, with what the prompts of their jobs begin with before them: prefixes and roots."""
    roots = dict.fromkeys(job.root for job in jobs if job.root)
    root_jobs = [Job(index=i, tokens=tokens) for i, tokens in enumerate(roots)]
    prefixes = dict.fromkeys(job.prefix for job in jobs if job.prefix)
    return Schedule(tuple(_fill_waves(BASE_SLOT, root_jobs, limits)), tuple(waves), lanes, tuple(prefixes))


def _dealt(limits: ContextLimits, jobs: int, lanes: int) -> ContextLimits:
    """`limits` with an even share of the jobs as the most sequences."""
    share = -(-jobs // lanes)
    return replace(limits, sequences=min(limits.sequences, max(1, share)))


def _fill_waves(slot: int, jobs: Sequence[Job], limits: ContextLimits) -> list[Wave]:
    waves: list[Wave] = []
    for job in _neighbours_together(jobs):
        if waves and limits.hold(grown := Wave(slot, (*waves[-1].jobs, job))):
            waves[-1] = grown
            continue
        alone = Wave(slot, (job,))
        if not limits.hold(alone):
            raise ValueError(f"job {job.index} takes {alone.cells} cells and a sequence, beyond {limits}")
        waves.append(alone)
    return waves


def _neighbours_together(jobs: Sequence[Job]) -> list[Job]:
    """`jobs` in the order of their trie: any prefix's jobs are adjacent, branches by their first job."""
    node_of: dict[tuple[int, Code], int] = {}

    def nodes(job: Job) -> list[int]:
        # numbered as they first come up, so a smaller number is a branch that an earlier job opened
        path = [-1]
        for code in job.codes:
            path.append(node_of.setdefault((path[-1], code), len(node_of)))
        return path

    return sorted(jobs, key=nodes)


@dataclass(slots=True)
class Row:
    """One token of a batch.

    Attributes:
        token: token id.
        position: place in its sequences.
        sequences: every sequence that this cell belongs to, sorted.
        output: whether its logits are wanted.
        slot: of the adapter that it is decoded with.
    """

    token: int
    position: int
    sequences: list[int] = field(default_factory=list)
    output: bool = False
    slot: int = BASE_SLOT


class RowHook(Protocol):
    """What a context asks around each decode; see `context.Context`."""

    def begin(self, rows: Sequence[Row], *, adapter: bool) -> None:
        """These rows come next, with an adapter switched on or without one."""

    def node(self, address: int, is_before: bool, data: object, /) -> bool:
        """A node of the computation, before it; whether to stop behind it. Called from C: it must not raise."""

    def end(self) -> None:
        """The decode is over.

        Raises: EngineFailure: its numbers must not be used.
        """


def prefill_rows(paths: Mapping[int, Sequence[Code]], ready: Mapping[int, tuple[object, int]]) -> list[Row]:
    """The rows that bring each sequence's cells up to its whole path; its last row has `output` set.

    `paths` maps sequence id to codes (at least one each). `ready` maps a sequence to (source, n): its first n
    cells are in place already and came from `source`; sequences of equal source and n share what follows. A
    sequence that is missing in `ready` starts empty.

    Parents precede children, each sequence's rows ascend by exactly one position, and a cell that several
    sequences share is decoded once.

    Raises:
        ValueError: n is not below a path's length; the last token is always decoded, for its logits.
    """
    rows: list[Row] = []
    node_of: dict[tuple[object, Code], int] = {}
    for sequence, path in sorted(paths.items()):
        source, start = ready.get(sequence, (None, 0))
        if start >= len(path):
            raise ValueError(f"sequence {sequence} has {start} of {len(path)} cells ready: nothing to decode")
        parent: object = ("start", source, start)
        for position in range(start, len(path)):
            node = node_of.setdefault((parent, path[position]), len(rows))
            if node == len(rows):
                rows.append(Row(token_of(path[position]), position, slot=slot_of(path[position])))
            rows[node].sequences.append(sequence)
            parent = node
        rows[node].output = True
    return rows
