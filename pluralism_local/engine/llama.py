"""The local engine: one GGUF in memory, adapters swapped in place, lists of requests as batches.

    requests ──> jobs (tokens, adapter slot, where it begins)
      ├─ several adapters, stacked ──> stacked schedule ──> Runner   one batch for all of them, on lanes of their own
      └─ everything else           ──> schedule         ──> Runner   a wave per adapter, waves side by side

The model is loaded once; an adapter's file is loaded once and switched per wave, or is part of a stack (see
`together`). Requests for option probabilities run a wave per adapter. With `weights_dir`, a base whose type is slow on
a CPU runs from a copy of itself in a fast one (see `fast_weights`).

What prompts begin with whatever is asked (`recurring`) is decoded once and alone, kept in memory, and with `prefix_dir`
on the disk: its cells are the same bytes, decoded now, in an earlier call or by an earlier process.

The same seed, schedule and machine give the same text, with such prefixes on the disk or without. Another schedule
(other requests in the same call, a conversation gone on with) sums in another order: next-token probabilities then
agree within 1e-3 for a model in F16, and within about 0.05 for the starter model, whose activations llama.cpp quantizes
to 8 bits. With flash attention, which copies use, so does another number of threads, as a busy machine leaves (see
`pace`); without it that changes no bit.

Failure modes: a request that cannot fit is refused before anything is decoded (`ContextOverflow`), an adapter that
changes nothing likewise (`Refused`). After any error, after cancelling and after closing an iterator early, the
engine is usable. A stack that cannot be made is no error: the adapters then run one wave each. Where no numbers
come (`DamagedWeights`), what is open of the cache is compared with what was written; if it is damaged it is
made again, and the requests are carried out once more unless text of theirs is out already.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pluralism_local.engine import rotation, scoring
from pluralism_local.engine.base import Capabilities, LanguageModel, ShouldStop, never
from pluralism_local.engine.fast_weights import COPY_TYPE, REPACKED, FastWeights
from pluralism_local.engine.grammar import check_all
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.jobs import JobMaker
from pluralism_local.engine.lane import SEQUENCES, Lane
from pluralism_local.engine.library import gpu_available, install_log
from pluralism_local.engine.llama_options import EngineStats, LlamaOptions
from pluralism_local.engine.lookup import CPU_ROW_COSTS, GPU_ROW_COSTS
from pluralism_local.engine.model_safety import ModelSafety, Setup, Tell
from pluralism_local.engine.option_tokens import OptionTokens
from pluralism_local.engine.planner import Planner, plan_model
from pluralism_local.engine.prefix_files import PrefixFiles
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.runner import Runner, RunnerOptions, physical_cores
from pluralism_local.engine.schedule import (
    BASE_SLOT,
    ContextLimits,
    Job,
    Wave,
    make_schedule,
    make_stacked_schedule,
)
from pluralism_local.engine.slots import Slots
from pluralism_local.engine.together import AdapterStack, open_together
from pluralism_local.engine.writer import WriterTask
from pluralism_local.errors import DamagedWeights, EngineFailure, InvalidInput
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.details import parts, whole
from pluralism_local.models.gguf_file import read_header
from pluralism_local.types import (
    AdapterRef,
    EngineEvent,
    Message,
    ModelInfo,
    OptionDistribution,
    OptionRequest,
    Request,
    TextStarted,
)

__all__ = ["EngineStats", "LlamaEngine", "LlamaOptions"]

_WAVE_CELLS = 4096
"""Cells of the waves side by side at most, unless single requests need more: bounds the memory of a large batch."""


class LlamaEngine(LanguageModel):
    """A `LanguageModel` over a GGUF file.

    Args:
        path: the model file.
        name: what the user calls it, for records.
        sha256, fingerprint: its identity where known, for records and for adapters' base checks by the caller. Who
            knows the fingerprint has had the header checked (`models.store.identity`); else it is checked here.
        note: told what takes long before a model is loaded for the first time.
        should_stop: polled while loading.

    Attributes:
        planned: how the model runs on this machine; see `planner`.

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
        note: Tell = lambda _: None,
        should_stop: ShouldStop = never,
    ) -> None:
        self.options = options or LlamaOptions()
        header = read_header(path)  # its errors say more than llama.cpp's
        unknown = fingerprint is None or len(parts(path)) > 1
        base = whole(header) if unknown else header
        install_log(self.options.log_file)
        on_gpu = gpu_available() and self.options.gpu_layers != 0
        layers = {"auto": -1, "all": -1}.get(str(self.options.gpu_layers), self.options.gpu_layers)
        self._gpu_layers = int(layers) if on_gpu else 0
        self._threads = self.options.threads or physical_cores()
        self._identity = sha256 or _identity(path)
        self._most_lanes = self.options.lanes or (1 if on_gpu else self._threads)
        self._fast = FastWeights(self.options.weights_dir)
        self._safety = ModelSafety(
            self.options.trial_dir, threads=self._threads, note=note, should_stop=should_stop
        )
        self._note = note
        self._slots = Slots(base)
        self._ways = {"stacked": 0, "apart": 0}
        self._busy = threading.Lock()
        self._closed = True
        self._load(header, ModelInfo(name, "llama.cpp", sha256, fingerprint), should_stop)

    def _load(self, source: GGUFHeader, info: ModelInfo, should_stop: ShouldStop) -> None:
        """Open the model and make everything that lives on it; `info` lacks only what is known then.

        Raises: as the class says.
        """
        model, header, weights, setup = self._open(source, should_stop)
        try:
            self._prompter = Prompter(model, self.options.template)
            factors_switch = rotation.switch(header)
            self._context = self._context_size(model.training_context, factors_switch)
            key = f"{self._identity}:{weights}" if weights else self._identity
            planner = Planner(
                self.options.plan_dir, again=self.options.remeasure, note=self._note, should_stop=should_stop
            )
            self.planned = plan_model(
                model, setup, key, planner, self._safety, self._threads, self._most_lanes
            )
        except BaseException:
            model.close()
            raise
        self._source, self._copy = source, header.path if weights is not None else None
        self._info = replace(info, context=self._context, weights=weights, plan=self.planned.choices.plan_id)
        banned = model.end_tokens() if self.options.ignore_end else ()
        self._bounds = rotation.cell_bounds(factors_switch, self._context)
        runs_as = replace(setup, flash=self.planned.choices.flash)
        cells_are_of = (self._identity, weights, runs_as, self._bounds)
        files = PrefixFiles.of(self.options.prefix_dir, cells_are_of, source.path)
        self._runner = Runner(model, self._runner_options(banned, model.on_gpu), files)
        self._together = open_together(
            self.options.together, self._runner, source, self._slots, self.planned.adapters, self._probe
        )
        texts = source.metadata.get("tokenizer.ggml.tokens", ())
        self._option_tokens = OptionTokens(model, self._prompter, texts if isinstance(texts, list) else ())
        self._jobs = JobMaker(
            self._prompter,
            self._slots,
            self._runner.store,
            self._context,
            most=model.training_context,
        )
        self._closed = False

    def _open(
        self, header: GGUFHeader, should_stop: ShouldStop
    ) -> tuple[Model, GGUFHeader, str | None, Setup]:
        """The model, the header of the file it came from, the type of the copy if it is one, and how it runs."""
        copy = self._fast.copy(header, self._identity, self._threads) if not self._gpu_layers else None
        if copy is not None:
            try:
                # a copy rounds its own way already: flash attention costs it nothing
                preferred = Setup(repack=REPACKED, flash=True)
                setup = self._safety.setup(copy, f"{self._identity}:{COPY_TYPE}", preferred)
                model = Model(copy, repack=setup.repack, should_stop=should_stop)
                return model, read_header(copy), COPY_TYPE, setup
            except InvalidInput:
                self._fast.discard(copy)
        setup = self._safety.setup(header.path, self._identity, Setup(gpu_layers=self._gpu_layers))
        model = Model(header.path, gpu_layers=setup.gpu_layers, repack=setup.repack, should_stop=should_stop)
        return model, header, None, setup

    def _replace_damaged(self) -> bool:
        """Throw away a copy that is no longer what was written, and open anew; whether that was so.

        Raises: as `_load`; the engine is closed then.
        """
        if self._copy is None or not self._fast.is_damaged(self._copy):
            return False
        self._fast.discard(self._copy)
        if self._runner.files is not None:
            self._runner.files.discard_all()  # read with these weights
        self.close()
        self._load(self._source, self._info, never)
        return True

    def _runner_options(self, banned: tuple[int, ...], on_gpu: bool) -> RunnerOptions:
        choices, most_lanes = self.planned.choices, self.planned.rules.apart[0]
        usual = GPU_ROW_COSTS if on_gpu else CPU_ROW_COSTS
        costs = (self.options.row_costs or choices.row_costs[:8] or usual) if self.options.lookup else ()
        cache = self.options.cache_bytes
        plain = RunnerOptions(choices.threads, most_lanes, cache, banned, choices.flash, self._bounds, costs)
        return replace(plain, cores=choices.cores, expected=choices.seconds_of)

    def _context_size(self, trained: int, factors_switch: int | None) -> int:
        """As asked for; else all that it was trained with, or what it reads by its shorter factors of rotation."""
        ctx_size = self.options.ctx_size
        if ctx_size is not None and ctx_size > trained:
            raise InvalidInput(
                f"The model was trained with a context of {trained} tokens; --ctx-size asks for {ctx_size}.",
                f"Use at most {trained}.",
            )
        return ctx_size or min(trained, factors_switch or trained)

    def _limits(self, jobs: Sequence[Job], sequences: int, lanes: int = 1) -> ContextLimits:
        longest = max((len(job.tokens) + job.room for job in jobs), default=1)
        return ContextLimits(max(longest, self._bounds.clamp(_WAVE_CELLS // lanes)), sequences)

    @property
    def info(self) -> ModelInfo:
        """Which model this is."""
        return self._info

    @property
    def capabilities(self) -> Capabilities:
        """Everything, as far as the model was trained to answer."""
        return Capabilities(
            adapters=True,
            distribution="exact",
            batched=True,
            counts_tokens=True,
            grammars="gbnf",
            only_continues=self._prompter.is_base,
        )

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
        total = EngineStats(
            model_loads=1,
            stack_loads=self._together.loads,
            adapter_loads=self._runner.adapter_loads,
            apart_because=self._together.reason if self._ways["apart"] else "",
            **self._ways,
        )
        self._runner.add_counts(total)
        return total

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int:
        """Length of the prompt, the answer's header included.

        Raises:
            Unsupported: the prompt lacks the header that `adapter` acts from.
        """
        tokens = self.prompt_tokens(messages)
        self._jobs.check(self._prompter.prompt(messages), tokens, adapter)
        return len(tokens)

    def prompt_tokens(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The whole prompt, the answer's header included."""
        return self._prompter.tokens(self._prompter.prompt(messages))

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The same as people read it."""
        return self._prompter.text(messages)

    def answer_header(self) -> tuple[int, ...]:
        """Tokens that open the assistant's turn, which switch activated adapters on; empty for plain prompts."""
        return self._prompter.answer_header()

    def forget(self) -> None:
        """Drop every kept prefix and sequence."""
        self._runner.store.clear()

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Generator[EngineEvent, None, None]:
        """See `LanguageModel.generate`. `should_stop` is called from the lanes' threads."""
        with self._claim():
            started: set[int] = set()
            has_spoken = False
            try:
                with closing(self._generate(requests, should_stop)) as events:
                    for event in events:
                        if isinstance(event, TextStarted):
                            started.add(event.index)
                        else:
                            has_spoken = True
                        yield event
                return
            except DamagedWeights:
                if not self._replace_damaged():
                    raise
            if has_spoken:
                raise EngineFailure("What plocal keeps of the model in its cache was damaged.", "Ask again.")
            with closing(self._generate(requests, should_stop)) as events:
                for event in events:
                    if not (isinstance(event, TextStarted) and event.index in started):
                        yield event

    def _generate(
        self, requests: Sequence[Request], should_stop: ShouldStop
    ) -> Generator[EngineEvent, None, None]:
        """All on a stack if any have adapters and a stack takes them, else apart."""
        tasks: dict[int, WriterTask] = {}
        for index, request in enumerate(requests):
            prompt = self._prompter.prompt(request.messages)
            gbnf = request.grammar.gbnf if request.grammar else None
            stops = () if self.options.ignore_end or gbnf else self._prompter.stops
            tasks[index] = WriterTask(
                request.sampling, request.keep, prompt, self._prompter.quote, stops, gbnf, request.lingers
            )
        check_all(self._runner.model, (task.grammar for task in tasks.values()))
        jobs = [
            self._jobs.job(i, tasks[i].prompt, r.adapter, r.sampling.max_tokens, r.messages)
            for i, r in enumerate(requests)
        ]
        with_adapter = [job.slot for job in jobs if job.slot != BASE_SLOT]
        stack = self._together.stack(set(with_adapter)) if with_adapter else None
        self._ways["apart" if stack is None else "stacked"] += len(with_adapter)
        if stack is not None:
            yield from self._generate_stacked(stack, jobs, tasks, should_stop)
        elif jobs:
            yield from self._generate_apart(jobs, tasks, should_stop)

    def _generate_stacked(
        self,
        stack: AdapterStack,
        jobs: Sequence[Job],
        tasks: Mapping[int, WriterTask],
        should_stop: ShouldStop,
    ) -> Iterator[EngineEvent]:
        """All adapters in one batch per lane, on the model itself."""

        def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
            return lane.generate(wave, tasks, stack.adapter, 1.0, stop)

        batch = self.planned.choices.batch_for(len(jobs))
        schedule = make_stacked_schedule(jobs, batch.lanes, self._limits(jobs, batch.rows, batch.lanes))
        try:
            yield from self._runner.carry_out(schedule, run, should_stop, stack.hook)
        finally:
            self._runner.drop_masked()

    def _generate_apart(
        self, jobs: Sequence[Job], tasks: Mapping[int, WriterTask], should_stop: ShouldStop
    ) -> Iterator[EngineEvent]:
        """A wave per adapter, on the model itself."""
        adapters = self._adapters(jobs)

        def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
            return lane.generate(wave, tasks, *adapters[wave.slot], stop)

        choices = self.planned.choices
        batch = choices.batch_for(len(jobs))
        rows = batch.rows if len({job.slot for job in jobs}) == 1 else SEQUENCES
        schedule = make_schedule(
            jobs, self._limits(jobs, rows, batch.lanes), batch.lanes, choices.lanes_apart
        )
        yield from self._runner.carry_out(schedule, run, should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """See `LanguageModel.distribution`; exact, in float64, from the last rows' logits."""
        with self._claim():
            try:
                return self._distribution(requests, should_stop)
            except DamagedWeights:
                if not self._replace_damaged():
                    raise
            return self._distribution(requests, should_stop)

    def _distribution(
        self, requests: Sequence[OptionRequest], should_stop: ShouldStop
    ) -> list[OptionDistribution]:
        jobs: list[Job] = []
        paths: dict[int, list[tuple[scoring.Path, ...]]] = {}
        for index, request in enumerate(requests):
            prompt = self._prompter.prompt(request.messages)
            paths[index] = [self._option_tokens.paths(prompt, option) for option in request.options]
            room = sum(len(path) - 1 for option in paths[index] for path in option)
            jobs.append(self._jobs.job(index, prompt, request.adapter, room, request.messages))
        # half of the sequences are left for the branches of long options, where there are any
        branches = any(job.room for job in jobs)
        schedule = make_schedule(jobs, self._limits(jobs, SEQUENCES // 2 if branches else SEQUENCES))
        adapters = self._adapters(jobs)
        tables: dict[int, dict[scoring.Path, float]] = {}

        lingering = {index for index, request in enumerate(requests) if request.lingers}

        def run(lane: Lane, wave: Wave, stop: ShouldStop) -> Iterator[EngineEvent]:
            tables.update(lane.score(wave, paths, *adapters[wave.slot], stop, lingering))
            return iter(())

        for _ in self._runner.carry_out(schedule, run, should_stop):
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
        self._together.close()
        self._runner.close()

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

    def _adapters(self, jobs: Sequence[Job]) -> dict[int, tuple[Adapter | None, float]]:
        """The jobs' adapters on the model itself, by slot, loaded and seen to have an effect the first time.

        Raises:
            InvalidInput: one does not fit the model.
            Refused: one does not change the model's next-token distribution.
        """
        adapters: dict[int, tuple[Adapter | None, float]] = {BASE_SLOT: (None, 1.0)}
        probe = self._probe()
        base: npt.NDArray[np.float32] | None = None
        refs = {slot: self._slots.ref(slot) for slot in {job.slot for job in jobs} - {BASE_SLOT}}
        self._safety.check_adapters(self._runner.model.path, self._identity, list(refs.values()))
        unchecked = self._slots.unchecked(refs)
        for slot, ref in refs.items():
            adapter = self._runner.adapter(ref.sha256, ref.path)
            if slot in unchecked:
                base = self._runner.probe(probe) if base is None else base
                self._slots.check(slot, base, self._runner.probe(probe, adapter, ref.scale))
            adapters[slot] = (adapter, ref.scale)
        return adapters

    def _probe(self) -> tuple[int, ...]:
        """Tokens that show whether an adapter does something: two, since one alone attends to nothing else."""
        return self._prompter.more_tokens(self._prompter.quote("The cat and the dog"))[:2]


def _identity(path: Path) -> str:
    """What tells a model file from others when its hash is not known."""
    stat = path.stat()
    return f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
