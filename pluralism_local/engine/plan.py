"""What to decode, in which order: pure planning, no llama.cpp.

    Job (one request's tokens, and where its adapter begins)
      ──> make_plan ──> roots: base prefixes of activated adapters, each decoded once for everybody
                        waves: jobs of one adapter that run together in one context
      ──> prefill_rows ──> the rows of one batch: a token, its position, every sequence that shares it

A KV cell depends on its token, on all tokens before it and on the adapter that was active at each of them. So
the identity of a cell is the path of *codes* up to it, a code being the token together with the adapter's slot.
Two jobs may share cells exactly as far as their codes agree; nothing else is ever compared.

Failure modes: a job longer than the context is refused by the caller before planning; `make_plan` refuses limits
that cannot hold a single job (ValueError, a bug).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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


def common_prefix(left: Sequence[Code], right: Sequence[Code]) -> int:
    """How many leading codes agree."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    return next(i for i in range(length) if left[i] != right[i])


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
    """

    index: int
    tokens: tuple[int, ...]
    slot: int = BASE_SLOT
    switch: int = 0
    room: int = 0

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
    """Jobs of one adapter slot that are decoded together in one context."""

    slot: int
    jobs: tuple[Job, ...]

    @property
    def cells(self) -> int:
        """KV cells the wave takes: distinct prompt cells plus the room of each job."""
        return distinct_cells(job.codes for job in self.jobs) + sum(job.room for job in self.jobs)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one context can hold: KV cells and sequences."""

    cells: int
    sequences: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Roots first (base, in waves of their own), then the waves, which are independent of each other."""

    roots: tuple[Wave, ...]
    waves: tuple[Wave, ...]

    @property
    def slots(self) -> tuple[int, ...]:
        """Adapter slots in the order of their first wave."""
        return tuple(dict.fromkeys(wave.slot for wave in self.waves))


def distinct_cells(paths: Iterable[Sequence[Code]]) -> int:
    """Size of the trie of `paths`: cells needed when every shared prefix is held once."""
    ordered = sorted(tuple(path) for path in paths)
    total = 0
    previous: tuple[Code, ...] = ()
    for path in ordered:
        total += len(path) - common_prefix(previous, path)
        previous = path
    return total


def make_plan(jobs: Sequence[Job], limits: Limits) -> Plan:
    """Group `jobs` into waves: one adapter per wave, each wave within `limits`, every job exactly once.

    Jobs of an adapter keep their order, except that jobs with a common prefix come together, so that a wave
    shares as much as it can. Distinct roots become base jobs without room.

    Raises:
        ValueError: a single job exceeds `limits` (the caller checks the context first).
    """
    roots = dict.fromkeys(job.root for job in jobs if job.root)
    root_jobs = [Job(index=i, tokens=tokens) for i, tokens in enumerate(roots)]
    by_slot: dict[int, list[Job]] = {}
    for job in jobs:
        by_slot.setdefault(job.slot, []).append(job)
    waves = [wave for slot, group in by_slot.items() for wave in _fill_waves(slot, group, limits)]
    return Plan(tuple(_fill_waves(BASE_SLOT, root_jobs, limits)), tuple(waves))


def _fill_waves(slot: int, jobs: Sequence[Job], limits: Limits) -> list[Wave]:
    waves: list[Wave] = []
    current: list[Job] = []
    for job in _neighbours_together(jobs):
        candidate = Wave(slot, (*current, job))
        if current and (len(candidate.jobs) > limits.sequences or candidate.cells > limits.cells):
            waves.append(Wave(slot, tuple(current)))
            current = []
            candidate = Wave(slot, (job,))
        if candidate.cells > limits.cells:
            raise ValueError(f"job {job.index} takes {candidate.cells} cells, the context has {limits.cells}")
        current.append(job)
    if current:
        waves.append(Wave(slot, tuple(current)))
    return waves


def _neighbours_together(jobs: Sequence[Job]) -> list[Job]:
    """Stable order in which jobs that share a long prefix are adjacent, clusters by their first job."""
    ordered = sorted(jobs, key=lambda job: job.codes)
    clusters: list[list[Job]] = []
    for job in ordered:
        if clusters and common_prefix(clusters[-1][-1].codes, job.codes) * 2 >= len(job.codes):
            clusters[-1].append(job)
        else:
            clusters.append([job])
    for cluster in clusters:
        cluster.sort(key=lambda job: job.index)
    clusters.sort(key=lambda cluster: cluster[0].index)
    return [job for cluster in clusters for job in cluster]


@dataclass(slots=True)
class Row:
    """One token of a batch.

    Attributes:
        token: token id.
        position: place in its sequences.
        sequences: every sequence that this cell belongs to, sorted.
        output: whether its logits are wanted.
    """

    token: int
    position: int
    sequences: list[int] = field(default_factory=list)
    output: bool = False


def prefill_rows(paths: Mapping[int, Sequence[Code]], ready: Mapping[int, tuple[object, int]]) -> list[Row]:
    """The rows that bring each sequence's cells up to its whole path; its last row has `output` set.

    `paths` maps sequence id to codes (at least one each). `ready` maps a sequence to (source, n): its first n
    cells are in place already and came from `source`; sequences of equal source and n share what follows. A
    sequence that is missing in `ready` starts empty. n must be below the path's length: the last token is
    always decoded, for its logits.

    Parents precede children, each sequence's rows ascend by exactly one position, and a cell that several
    sequences share is decoded once.
    """
    rows: list[Row] = []
    node_of: dict[tuple[object, Code], int] = {}
    for sequence, path in paths.items():
        source, start = ready.get(sequence, (None, 0))
        parent: object = ("start", source, start)
        for position in range(start, len(path)):
            edge = (parent, path[position])
            node = node_of.get(edge)
            if node is None:
                node = node_of[edge] = len(rows)
                rows.append(Row(token_of(path[position]), position))
            rows[node].sequences.append(sequence)
            parent = node
        rows[-1 if not isinstance(parent, int) else parent].output = True
    return rows
