"""A model in memory with its lanes and its adapters: carries out schedules.

    Schedule.prefixes ──> from the disk, else read on the lanes, each alone ──> KVStore, disk
    Schedule.roots ──> first lane, all threads ──> KVStore
    Schedule.waves ──> lanes (threads shared out) ──> events ──> one iterator
                   └ each: restore from the KVStore, decode prompts, then a token per sequence and step

Waves are independent of each other, so several lanes may take them side by side. A lane that fails stops the others
and its error is raised; closing the iterator early stops all. Afterwards the runner is usable.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.counters import Counters
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.kv_store import Entry, KVStore
from pluralism_local.engine.lane import Lane
from pluralism_local.engine.lookup import RowCosts
from pluralism_local.engine.pace import Expected, Pace
from pluralism_local.engine.prefix_files import PrefixFiles
from pluralism_local.engine.rotation import ANY_SIZE, CellBounds
from pluralism_local.engine.schedule import BASE_SLOT, Job, Prefix, RowHook, Schedule, Wave, encode
from pluralism_local.errors import Cancelled
from pluralism_local.types import EngineEvent

RunWave = Callable[[Lane, Wave, ShouldStop], Iterator[EngineEvent]]
"""What to do with a wave on a lane."""

MakeHook = Callable[[], RowHook]


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """Attributes:
    threads: CPU threads of a lane that works alone.
    most_lanes: contexts side by side at most.
    cache_bytes: memory for prefixes and kept sequences.
    banned: tokens that are never drawn.
    flash: flash attention on a CPU; see `context.Context`.
    bounds: how large contexts may be; see `rotation`.
    row_costs: what rows of a batch cost, for guesses of what comes next; empty for none. See `lookup`.
    cores: CPU threads that lanes side by side share out; None for `threads`.
    expected: seconds of a step of so many rows with `threads` on a quiet machine; see `pace`.
    """

    threads: int
    most_lanes: int
    cache_bytes: int
    banned: tuple[int, ...] = ()
    flash: bool = False
    bounds: CellBounds = ANY_SIZE
    row_costs: RowCosts = ()
    cores: int | None = None
    expected: Expected = lambda _rows: None


class Runner:
    """Owns `model` and everything that lives on it; closed in the order that llama.cpp needs.

    Args:
        files: where prefixes are kept on the disk; None keeps them in memory only.
    """

    def __init__(self, model: Model, options: RunnerOptions, files: PrefixFiles | None = None) -> None:
        self.model, self.options, self.files = model, options, files
        self.store = KVStore(options.cache_bytes, model.window)
        self._lanes = [self._new_lane()]
        self._masked: list[Lane] = []
        self._past = Counters()
        self._adapters: dict[str, Adapter] = {}

    def _new_lane(self, hook: RowHook | None = None) -> Lane:
        options = self.options
        return Lane(
            self.model,
            self.store,
            options.threads,
            banned=options.banned,
            flash=options.flash,
            bounds=options.bounds,
            row_costs=options.row_costs,
            make_pace=self._pace
            if hook is None
            else Pace,  # a stack's steps are not those that were measured
            hook=hook,
        )

    def _pace(self, threads: int) -> Pace:
        if threads != self.options.threads:
            return Pace(threads)
        return Pace(threads, expected=self.options.expected)

    def _pool(self, count: int, make_hook: MakeHook | None) -> list[Lane]:
        """So many lanes; with `make_hook` of those that have a hook."""
        if make_hook is None:
            self._lanes += [self._new_lane() for _ in range(count - len(self._lanes))]
            return self._lanes[:count]
        self._masked += [self._new_lane(make_hook()) for _ in range(count - len(self._masked))]
        return self._masked[:count]

    def drop_masked(self) -> None:
        """Free the lanes with hooks; their counts stay."""
        for lane in self._masked:
            lane.close()
            self._past.add(lane.counters)
        self._masked.clear()

    def close(self) -> None:
        """Free contexts, then adapters, then the model, and what was kept of sequences."""
        self.drop_masked()
        for lane in self._lanes:
            lane.close()
        for adapter in self._adapters.values():
            adapter.close()
        self.model.close()
        self.store.clear()
        if self.files is not None:
            self.files.close()

    @property
    def adapter_loads(self) -> int:
        """Adapter files read so far."""
        return len(self._adapters)

    def add_counts(self, total: Counters) -> None:
        """Add what the lanes did to `total`."""
        for counters in (self._past, *(lane.counters for lane in (*self._lanes, *self._masked))):
            total.add(counters)

    def adapter(self, sha256: str, path: Path) -> Adapter:
        """The adapter of that hash, read from `path` the first time.

        Raises:
            InvalidInput: it does not fit the model.
        """
        if sha256 not in self._adapters:
            self._adapters[sha256] = Adapter(self.model, path)
        return self._adapters[sha256]

    def probe(
        self, tokens: Sequence[int], adapter: Adapter | None = None, scale: float = 1.0
    ) -> npt.NDArray[np.float32]:
        """Logits [n_vocab] float32 after `tokens` alone."""
        lane = self._lanes[0]
        lane.reserve(len(tokens), self.options.threads)
        return lane.next_token_logits(tokens, adapter, scale)

    def probe_slots(
        self, tokens: Sequence[int], slots: Sequence[int], adapter: Adapter, make_hook: MakeHook
    ) -> list[npt.NDArray[np.float32]]:
        """Logits [n_vocab] float32 after `tokens` in each of `slots`, all in one batch; fewer than `SEQUENCES`."""
        lane = self._pool(1, make_hook)[0]
        lane.reserve(len(tokens) * len(slots), self.options.threads)
        return lane.logits_of_slots(tokens, slots, adapter)

    def carry_out(
        self, schedule: Schedule, run: RunWave, should_stop: ShouldStop, make_hook: MakeHook | None = None
    ) -> Iterator[EngineEvent]:
        """Prefixes and roots, then waves; events as they come. `should_stop` is called from the lanes' threads.

        With `make_hook` the waves are on lanes of their own, each with a hook, which `drop_masked` frees.
        """
        first = self._pool(1, make_hook)[0]
        # a stop among these is seen again by the waves, which report it for each request
        with suppress(Cancelled):
            self._recall(schedule, should_stop)
            for roots in schedule.roots:
                self._remember(first, roots, should_stop)
        self._rest(0 if make_hook is not None else self._lane_count(schedule.waves, schedule.lanes))
        yield from self._on_lanes(schedule.waves, schedule.lanes, run, should_stop, make_hook)

    def _on_lanes(
        self,
        waves: Sequence[Wave],
        most: int,
        run: RunWave,
        should_stop: ShouldStop,
        make_hook: MakeHook | None = None,
    ) -> Iterator[EngineEvent]:
        """Waves side by side on `most` lanes, or one after the other."""
        lanes = self._pool(self._lane_count(waves, most), make_hook)
        if len(lanes) > 1:
            yield from self._side_by_side(waves, lanes, run, should_stop)
            return
        first = lanes[0]
        for wave in waves:
            first.reserve(first.cells_for(wave), self.options.threads)
            yield from run(first, wave, should_stop)

    def _lane_count(self, waves: Sequence[Wave], most: int) -> int:
        return max(1, min(self.options.most_lanes, most, len(waves)))

    def _rest(self, working: int) -> None:
        """Free the contexts of all plain lanes but the first `working`, which are made again in some milliseconds."""
        for lane in self._lanes[working:]:
            lane.close()

    def _recall(self, schedule: Schedule, should_stop: ShouldStop) -> None:
        """Have the store hold the schedule's prefixes, as many as fit; on no more lanes than its waves take.

        Raises:
            Cancelled: `should_stop` turned true.
        """
        missing: list[Prefix] = []
        cells = 0
        for prefix in schedule.prefixes:
            cells += len(prefix.tokens)
            if cells * self.model.cell_bytes > self.store.lasting_budget:
                break
            if not self._known(Job(0, prefix.tokens)) and not self._found_on_disk(prefix):
                missing.append(prefix)
        heads = dict.fromkeys(prefix.tokens[: prefix.head] for prefix in missing if prefix.head)
        self._read([Prefix(head) for head in heads if self._kept(head) is None], schedule.lanes, should_stop)
        self._read(missing, schedule.lanes, should_stop)
        if self.files is not None:
            for prefix in missing:
                if (entry := self._kept(prefix.tokens)) is not None:
                    self.files.keep(prefix.tokens, entry.data)

    def _kept(self, tokens: Sequence[int]) -> Entry | None:
        with self.store.lock:
            return self.store.exactly(encode(tokens))

    def _found_on_disk(self, prefix: Prefix) -> bool:
        data = None if self.files is None else self.files.find(prefix.tokens)
        if data is None:
            return False
        with self.store.lock:
            self.store.put(Entry(encode(prefix.tokens), data, lasting=True))
        self._lanes[0].counters.restored_tokens += len(prefix.tokens)
        return True

    def _read(self, prefixes: Sequence[Prefix], lanes: int, should_stop: ShouldStop) -> None:
        """Decode each prefix alone, side by side on so many lanes at most, and put it into the store."""
        waves = [Wave(BASE_SLOT, (Job(i, prefix.tokens),)) for i, prefix in enumerate(prefixes)]

        def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
            prefix = prefixes[wave.jobs[0].index]
            entry = lane.read(prefix, self._kept(prefix.tokens[: prefix.head]), stop)
            with self.store.lock:
                self.store.put(entry)
            return iter(())

        for _ in self._on_lanes(waves, lanes, run, should_stop):
            pass

    def _remember(self, lane: Lane, roots: Wave, should_stop: ShouldStop) -> None:
        """Decode what the store lacks."""
        missing = tuple(job for job in roots.jobs if not self._known(job))
        if missing:
            lane.reserve(lane.cells_for(replace(roots, jobs=missing)), self.options.threads)
            lane.remember(replace(roots, jobs=missing), should_stop)

    def _known(self, job: Job) -> bool:
        with self.store.lock:
            longest = self.store.best(job.codes, len(job.tokens))
        return longest is not None and longest[1] == len(job.tokens)

    def _side_by_side(
        self, waves: Sequence[Wave], lanes: Sequence[Lane], run: RunWave, should_stop: ShouldStop
    ) -> Iterator[EngineEvent]:
        """Waves on `lanes`, each taking the next wave as it becomes free."""
        todo: queue.SimpleQueue[Wave] = queue.SimpleQueue()
        for wave in waves:
            todo.put(wave)
        events: queue.SimpleQueue[EngineEvent | BaseException | None] = queue.SimpleQueue()
        abandoned = threading.Event()
        cells = max(lanes[0].cells_for(wave) for wave in waves)
        threads = max(1, (self.options.cores or self.options.threads) // len(lanes))

        def stop() -> bool:
            return abandoned.is_set() or should_stop()

        def work(lane: Lane) -> None:
            try:
                lane.reserve(cells, threads)
                while not abandoned.is_set():
                    for event in run(lane, todo.get_nowait(), stop):
                        events.put(event)
            except queue.Empty:
                pass
            except BaseException as error:  # noqa: BLE001 - raised again by the consumer
                events.put(error)
            finally:
                events.put(None)

        workers = [
            threading.Thread(target=work, args=(lane,), name=f"lane-{i}", daemon=True)
            for i, lane in enumerate(lanes)
        ]
        for worker in workers:
            worker.start()
        try:
            running = len(lanes)
            while running:
                event = events.get()
                if event is None:
                    running -= 1
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            abandoned.set()
            for worker in workers:
                worker.join()


def physical_cores() -> int:
    """Physical cores that this process may use, at least 1: hyper-threads add nothing to matrix products."""
    try:
        usable = os.sched_getaffinity(0)
    except AttributeError:  # macOS has no affinity
        return max(1, os.cpu_count() or 1)
    siblings = set()
    for cpu in usable:
        listing = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(listing.read_text().strip())
        except OSError:
            siblings.add(str(cpu))
    return max(1, len(siblings))
