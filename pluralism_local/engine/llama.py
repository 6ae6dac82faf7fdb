"""The local engine: one GGUF in memory, adapters swapped in place, lists of requests as batches.

    requests ──> jobs (tokens, adapter slot, where it begins) ──> plan (roots, waves)
    roots ──> first lane, all threads ──> KVStore
    waves ──> lanes (threads shared out) ──> events ──> one iterator
             └ each: restore from KVStore, decode prompts, then a token per sequence and step

The model is loaded once; an adapter's file is loaded once and switched per wave. Waves of different adapters run
side by side, one lane each, where that is faster: on a CPU, whose threads do more for several independent decodes
than for one. The same seed, plan and machine give the same text. Another plan (a restored prefix, other requests in
the same call) sums in another order: next-token probabilities then agree within 1e-3 for a model in F16, and within
about 0.05 for the starter model, whose activations llama.cpp quantizes to 8 bits.

Failure modes: a request that cannot fit is refused before anything is decoded (`ContextOverflow`), an adapter that
changes nothing likewise (`Refused`); a lane that fails stops the others and its error is raised. After any of
these, after cancelling and after closing an iterator early, the engine is usable.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from pluralism_local.engine import scoring
from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.handles import Adapter, Model, gpu_available, install_log
from pluralism_local.engine.kv_store import KVStore
from pluralism_local.engine.lane import SEQUENCES, Counters, Lane, Task
from pluralism_local.engine.plan import BASE_SLOT, Job, Limits, Plan, Wave, make_plan
from pluralism_local.engine.prompter import Prompter
from pluralism_local.errors import (
    ContextOverflow,
    EngineFailure,
    InvalidInput,
    NotFound,
    Refused,
    Unsupported,
)
from pluralism_local.gguf_file import read_header
from pluralism_local.types import (
    AdapterRef,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
)

_WAVE_CELLS = 4096
"""Cells of one wave at most, unless a single request needs more: bounds the memory of a large batch."""

_NO_EFFECT = 1e-6
"""An adapter that moves no logit by more than this does nothing."""


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to run a model.

    Attributes:
        ctx_size: tokens of prompt and answer at most; None for what the model was trained with.
        gpu_layers: layers on the GPU; ``"auto"`` is all of them where this build has a GPU, else none.
        threads: None for the physical cores this process may use.
        lanes: contexts side by side; None to choose.
        template: ``"none"`` ignores the model's chat template.
        cache_bytes: memory for prefixes and kept sequences.
        ignore_end: never draw a token that ends an answer, so that it runs to max_tokens: for measuring.
        log_file: llama.cpp's log is appended here; None keeps only its last lines, for error messages.
    """

    ctx_size: int | None = None
    gpu_layers: Literal["auto", "all"] | int = "auto"
    threads: int | None = None
    lanes: int | None = None
    template: Literal["auto", "none"] = "auto"
    cache_bytes: int = 64 * 2**20
    ignore_end: bool = False
    log_file: Path | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("--ctx-size", self.ctx_size),
            ("--threads", self.threads),
            ("lanes", self.lanes),
        ):
            if value is not None and value < 1:
                raise InvalidInput(f"{name} must be at least 1, got {value}.")
        if isinstance(self.gpu_layers, int) and self.gpu_layers < 0:
            raise InvalidInput(
                f"--gpu-layers must not be negative, got {self.gpu_layers}.", "Use 'all' for all."
            )


@dataclass(slots=True)
class EngineStats(Counters):
    """Counts since the engine was opened; see `Counters` for the rest."""

    model_loads: int = 0
    adapter_loads: int = 0


@dataclass(slots=True)
class _Slots:
    """Adapters at scales, numbered: slot 0 is the base. An adapter's file is loaded once, whatever its scales."""

    of: dict[tuple[str, float], int] = field(default_factory=dict)
    adapters: dict[str, Adapter] = field(default_factory=dict)
    table: list[tuple[Adapter | None, float]] = field(default_factory=lambda: [(None, 1.0)])


class LlamaEngine:
    """A `LanguageModel` over a GGUF file.

    Args:
        path: the model file.
        name: what the user calls it, for records.
        sha256, fingerprint: its identity where known, for records and for adapters' base checks by the caller.
        should_stop: polled while loading.

    Raises:
        NotFound, InvalidInput: the file is missing, truncated, or not a model that llama.cpp runs.
        Cancelled: `should_stop` turned true while loading.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        sha256: str | None = None,
        fingerprint: str | None = None,
        options: LlamaOptions | None = None,
        should_stop: ShouldStop = never,
    ) -> None:
        self.options = options or LlamaOptions()
        read_header(path)  # its errors say more than llama.cpp's
        install_log(self.options.log_file)
        on_gpu = gpu_available() and self.options.gpu_layers != 0
        layers = {"auto": -1, "all": -1}.get(str(self.options.gpu_layers), self.options.gpu_layers)
        self._model = Model(path, gpu_layers=int(layers) if on_gpu else 0, should_stop=should_stop)
        try:
            self._prompter = Prompter(self._model, self.options.template)
            self._context = self._context_size()
        except BaseException:
            self._model.close()
            raise
        self._info = ModelInfo(name, "llama.cpp", sha256, fingerprint, self._context)
        self._threads = self.options.threads or physical_cores()
        self._most_lanes = self.options.lanes or (1 if on_gpu else self._threads)
        self._store = KVStore(self.options.cache_bytes)
        self._banned = self._model.end_tokens() if self.options.ignore_end else ()
        self._lanes = [self._new_lane()]
        self._slots = _Slots()
        self._words: dict[str, list[int]] | None = None
        self._busy = threading.Lock()
        self._closed = False

    def _context_size(self) -> int:
        trained, wanted = self._model.training_context, self.options.ctx_size
        if wanted is not None and wanted > trained:
            raise InvalidInput(
                f"The model was trained with a context of {trained} tokens; --ctx-size asks for {wanted}.",
                f"Use at most {trained}.",
            )
        return wanted or trained

    def _new_lane(self) -> Lane:
        return Lane(self._model, self._store, self._threads, self._banned)

    @property
    def info(self) -> ModelInfo:
        """Which model this is."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """Everything."""
        return Capabilities(adapters=True, distribution="exact", batched=True, counts_tokens=True)

    @property
    def threads(self) -> int:
        """CPU threads in use, all lanes together."""
        return self._threads

    @property
    def template_sha256(self) -> str | None:
        """Hex digest of the chat template in use; None for plain prompts."""
        return self._prompter.template_sha256

    @property
    def stats(self) -> EngineStats:
        """A snapshot of the counters."""
        total = EngineStats(model_loads=1, adapter_loads=len(self._slots.adapters))
        for lane in self._lanes:
            total.adapter_switches += lane.counters.adapter_switches
            total.decode_calls += lane.counters.decode_calls
            total.decoded_tokens += lane.counters.decoded_tokens
            total.reused_tokens += lane.counters.reused_tokens
        return total

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the prompt, the answer's header included."""
        return len(self._prompter.tokens(self._prompter.text(messages)))

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The whole prompt as text, the answer's header included."""
        return self._prompter.text(messages)

    def forget(self) -> None:
        """Drop every kept prefix and sequence."""
        self._store.clear()

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """See `LanguageModel.generate`. `should_stop` is called from the lanes' threads."""
        with self._claim():
            tasks: dict[int, Task] = {}
            for index, request in enumerate(requests):
                prompt = self._prompter.text(request.messages)
                job = self._job(index, prompt, request.adapter, request.sampling.max_tokens)
                tasks[index] = Task(job, request.sampling, request.keep, prompt)
            plan = self._plan([task.job for task in tasks.values()], SEQUENCES)

            def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
                adapter, scale = self._slots.table[wave.slot]
                return lane.generate(wave, tasks, adapter, scale, stop)

            yield from self._carry_out(plan, run, should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """See `LanguageModel.distribution`; exact, in float64, from the last rows' logits."""
        with self._claim():
            jobs: list[Job] = []
            paths: dict[int, list[tuple[scoring.Path, ...]]] = {}
            for index, request in enumerate(requests):
                prompt = self._prompter.text(request.messages)
                paths[index] = [self._option_paths(prompt, option) for option in request.options]
                room = sum(len(path) - 1 for option in paths[index] for path in option)
                jobs.append(self._job(index, prompt, request.adapter, room))
            # half of the sequences are left for the branches of long options
            plan = self._plan(jobs, SEQUENCES // 2)
            tables: dict[int, dict[scoring.Path, float]] = {}

            def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
                adapter, scale = self._slots.table[wave.slot]
                tables.update(lane.score(wave, paths, adapter, scale, stop))
                return iter(())

            for _ in self._carry_out(plan, run, should_stop):
                pass
            return [
                scoring.exact_distribution(request.options, scoring.masses(paths[i], tables[i]))
                for i, request in enumerate(requests)
            ]

    def close(self) -> None:
        """Free contexts, adapters and the model."""
        if self._closed:
            return
        self._closed = True
        for lane in self._lanes:
            lane.close()
        for adapter in self._slots.adapters.values():
            adapter.close()
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    @contextmanager
    def _claim(self) -> Iterator[None]:
        if self._closed:
            raise EngineFailure("The engine is closed.")
        if not self._busy.acquire(blocking=False):
            raise EngineFailure(
                "The engine is still busy with another call.", "Finish or close that call first."
            )
        try:
            yield
        finally:
            self._busy.release()

    def _job(self, index: int, prompt: str, ref: AdapterRef | None, room: int) -> Job:
        """The prompt as tokens, with its adapter's slot and starting point.

        Raises:
            ContextOverflow: prompt and room exceed the context.
            Unsupported: an activated adapter whose header the prompt lacks.
        """
        with self._store.lock:
            known = self._store.spelled(prompt)
        if known is None:
            tokens = self._prompter.tokens(prompt)
        else:
            spelled = tuple(code & 0xFFFFFFFF for code in known.codes)
            tokens = spelled + self._prompter.more_tokens(prompt[len(known.text) :])
        if not tokens:
            raise InvalidInput("The prompt is empty.")
        if len(tokens) + room > self._context:
            raise ContextOverflow(
                f"The prompt has {len(tokens)} tokens and the answer may take {room}: together "
                f"{len(tokens) + room}, but the context holds {self._context}.",
                "Shorten the prompt, lower --max-tokens, or use a model with a larger context.",
                needed=len(tokens) + room,
                available=self._context,
            )
        slot = self._slot(ref)
        switch = 0
        if ref is not None and slot != BASE_SLOT and ref.activation == "assistant":
            invocation = self._slots.adapters[ref.sha256].invocation or self._prompter.answer_header()
            switch = _last_occurrence(tokens, invocation)
            if switch < 0:
                raise Unsupported(
                    f"The adapter {ref.path.name} acts from the assistant's header on, and this prompt has none.",
                    "Use --template auto, and a model with the adapter's chat template.",
                )
        return Job(index, tokens, slot, switch, room)

    def _slot(self, ref: AdapterRef | None) -> int:
        """Number of an adapter at its scale, loading it the first time.

        Raises:
            NotFound, InvalidInput: no such file, or no adapter for this model.
            Refused: it does not change the model's next-token distribution.
        """
        if ref is None or ref.scale == 0:
            return BASE_SLOT
        key = (ref.sha256, ref.scale)
        if key not in self._slots.of:
            adapter = self._slots.adapters.get(ref.sha256)
            if adapter is None:
                if not ref.path.is_file():
                    raise NotFound(f"There is no adapter file {ref.path}.")
                adapter = Adapter(self._model, ref.path)
                self._slots.adapters[ref.sha256] = adapter
            self._check_effect(adapter, ref)
            self._slots.table.append((adapter, ref.scale))
            self._slots.of[key] = len(self._slots.table) - 1
        return self._slots.of[key]

    def _check_effect(self, adapter: Adapter, ref: AdapterRef) -> None:
        probe = self._prompter.more_tokens("The")[:1]
        lane = self._lanes[0]
        lane.reserve(1, self._threads)
        base = lane.next_token_logits(probe, None, 1.0)
        changed = lane.next_token_logits(probe, adapter, ref.scale)
        if float(np.abs(changed - base).max()) <= _NO_EFFECT:
            raise Refused(
                f"The adapter {ref.path.name} at scale {ref.scale:g} does not change this model at all.",
                "It was probably never trained, or its weights are zero.",
            )

    def _plan(self, jobs: Sequence[Job], sequences: int) -> Plan:
        longest = max((len(job.tokens) + job.room for job in jobs), default=1)
        return make_plan(jobs, Limits(max(longest, _WAVE_CELLS), sequences))

    def _carry_out(
        self,
        plan: Plan,
        run: Callable[[Lane, Wave, ShouldStop], Iterator[EngineEvent]],
        should_stop: ShouldStop,
    ) -> Iterator[EngineEvent]:
        """Roots on the first lane, then the waves; events as they come."""
        if not plan.waves:
            return
        first = self._lanes[0]
        for roots in plan.roots:
            if not should_stop():
                first.reserve(roots.cells, self._threads)
                self._remember(first, roots, should_stop)
        count = min(self._most_lanes, len(plan.slots), len(plan.waves))
        while len(self._lanes) < count:
            self._lanes.append(self._new_lane())
        if count == 1:
            for wave in plan.waves:
                first.reserve(wave.cells, self._threads)
                yield from run(first, wave, should_stop)
        else:
            yield from self._side_by_side(plan.waves, count, run, should_stop)

    def _remember(self, lane: Lane, roots: Wave, should_stop: ShouldStop) -> None:
        """Decode what the store lacks; a stop here is noticed again, and reported, by the waves."""
        missing = tuple(job for job in roots.jobs if not self._known(job))
        if missing:
            lane.remember(replace(roots, jobs=missing), should_stop)

    def _known(self, job: Job) -> bool:
        with self._store.lock:
            found = self._store.best(job.codes, len(job.tokens))
        return found is not None and found[1] == len(job.tokens)

    def _side_by_side(
        self,
        waves: Sequence[Wave],
        count: int,
        run: Callable[[Lane, Wave, ShouldStop], Iterator[EngineEvent]],
        should_stop: ShouldStop,
    ) -> Iterator[EngineEvent]:
        """Waves on `count` lanes, each taking the next wave as it becomes free."""
        todo: queue.SimpleQueue[Wave] = queue.SimpleQueue()
        for wave in waves:
            todo.put(wave)
        events: queue.SimpleQueue[EngineEvent | BaseException | None] = queue.SimpleQueue()
        abandoned = threading.Event()
        cells = max(wave.cells for wave in waves)
        threads = max(1, self._threads // count)

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
            for i, lane in zip(range(count), self._lanes, strict=False)
        ]
        for worker in workers:
            worker.start()
        try:
            running = count
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

    def _option_paths(self, prompt: str, option: str) -> tuple[scoring.Path, ...]:
        """Every way to say `option` right after `prompt`: single tokens that spell it, and the tokenizer's own
        splits with and without a space in front, where they do not merge with the prompt's last token."""
        word = option.strip()
        paths: list[scoring.Path] = [(token,) for token in self._single_tokens().get(word, [])]
        before = self._prompter.tokens(prompt)
        for text in (word, f" {word}"):
            whole = self._prompter.tokens(prompt + text)
            if whole[: len(before)] == before:
                paths.append(whole[len(before) :])
        found = scoring.disjoint(paths)
        if not found:
            raise InvalidInput(f"The option '{option}' cannot be written with this model's vocabulary here.")
        return found

    def _single_tokens(self) -> dict[str, list[int]]:
        """Vocabulary by what each token spells without white space; made at the first use."""
        if self._words is None:
            words: dict[str, list[int]] = {}
            for token in range(self._model.vocabulary_size):
                spelled = self._model.piece(token).decode("utf-8", "replace").strip()
                if spelled:
                    words.setdefault(spelled, []).append(token)
            self._words = words
        return self._words


def _last_occurrence(tokens: Sequence[int], wanted: Sequence[int]) -> int:
    """Where `wanted` begins last in `tokens`; -1 if nowhere or empty."""
    if not wanted:
        return -1
    for start in range(len(tokens) - len(wanted), -1, -1):
        if tuple(tokens[start : start + len(wanted)]) == tuple(wanted):
            return start
    return -1


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
