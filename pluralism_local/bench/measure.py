"""The measurements behind `plocal bench`.

    model, pool, Workload ──bench──> asks of ours, of the loops, of a server, in turn ──> Report

What the others are given is what our engine was asked for: the same prompts, adapters and numbers of new tokens.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pluralism_local.bench import naive, server
from pluralism_local.bench.memory import forget_peak, peak_rss_mb
from pluralism_local.bench.report import AskTimes, Guesses, Report, Workload
from pluralism_local.bench.speeds import Lengths, speeds
from pluralism_local.bench.voices import Note, has_own, speaking_by_adapter, speaking_by_persona
from pluralism_local.communities import Pool
from pluralism_local.engine import kernel_safety
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.library import gpu_available
from pluralism_local.engine.llama import EngineStats, LlamaEngine, LlamaOptions
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.details import parts
from pluralism_local.models.gguf_file import read_header
from pluralism_local.modes import Ask, run
from pluralism_local.results import Result
from pluralism_local.types import EngineEvent, Request, Sampling

QUESTION = "Should phones be banned in schools? Say what you think about it and why, in a few sentences."
NEXT_QUESTION = "Should cars pay to enter a city? Say what you think about it and why, in a few sentences."


class _Noting(LlamaEngine):
    """An engine that remembers what it was asked to write."""

    def __init__(self, path: Path, *, name: str, options: LlamaOptions) -> None:
        super().__init__(path, name=name, options=options)
        self.requests: list[Request] = []

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Generator[EngineEvent, None, None]:
        self.requests += requests
        return super().generate(requests, should_stop=should_stop)


@dataclass(frozen=True, slots=True)
class _Run:
    """An ask of ours: its result, the seconds the load took, the work that others are to do, the engine's threads and
    plan, and what it counted."""

    result: Result
    load: float
    works: tuple[naive.NaiveRequest, ...]
    threads: int
    plan: str | None
    stats: EngineStats

    @property
    def times(self) -> naive.NaiveRun:
        seconds = self.result.seconds
        return naive.NaiveRun(seconds["comments"], seconds["total"] - seconds["comments"], self.load)


def bench(path: Path, name: str, pool: Pool, work: Workload, options: LlamaOptions, note: Note) -> Report:
    """Measure everything on the model at `path`.

    The peak of resident memory is that of our own first ask, read before anything of others is loaded.

    Raises:
        InvalidInput, NotFound, Refused, ContextOverflow: as the engine and the modes do.
        EngineFailure: the server does not do what it is asked for.
    """
    with tempfile.TemporaryDirectory(prefix="plocal-bench-") as folder:
        options = replace(options, ignore_end=True, weights_dir=Path(folder) / "weights")
        if work.voices == "personas":
            speaking = speaking_by_persona(pool)
        else:
            speaking = speaking_by_adapter(pool, path, Path(folder), note)
        note("warming up")
        warm = _one_ask(path, name, _ask(speaking, work, QUESTION), options)
        loops = _loops(path, warm, work, options, note)
        first, second = list[naive.NaiveRun](), list[naive.NaiveRun]()
        others: dict[str, list[naive.NaiveRun]] = {loop: [] for loop in loops}
        peak = None
        for turn in range(work.repeats):
            counted = f"run {turn + 1} of {work.repeats}"
            note(f"overton ask, {counted}")
            forget_peak()
            beginning = replace(options, prefix_dir=Path(folder) / f"prefixes-{turn}")
            first.append(_one_ask(path, name, _ask(speaking, work, QUESTION), beginning).times)
            peak = peak or peak_rss_mb()
            note(f"the next ask, {counted}")
            next_one = _one_ask(path, name, _ask(speaking, work, NEXT_QUESTION), beginning)
            second.append(next_one.times)
            for loop, options_of_loop in loops.items():
                note(f"{loop}, {counted}")
                others[loop].append(naive.run(path, warm.works[:-1], warm.works[-1], options_of_loop))
            if work.server is not None:
                note(f"llama-server, {counted}")
                others.setdefault("server", []).append(_one_server(path, warm, work.server, options))
        note("prefill and decode")
        with LlamaEngine(path, name=name, options=replace(options, lookup=False)) as engine:
            rates = speeds(engine, work.repeats, Lengths())
    base = fingerprint(read_header(path))
    communities = len(pool.members)

    def times(of: str) -> AskTimes | None:
        return _times(others[of], communities, work) if others.get(of) else None

    return Report(
        model=name,
        pool=pool.id,
        communities=communities,
        adapters=_adapters(sum(has_own(member, base) for member in pool.members), communities, work),
        threads=warm.threads,
        workload=work,
        prefill_tok_s=rates.prefill_tok_s,
        decode_tok_s=rates.decode_tok_s,
        batch_tok_s=rates.batch_tok_s,
        ask=_times(first, communities, work),
        naive=times(_NAIVE),
        tuned=times(_TUNED),
        peak_rss_mb=peak,
        kernels=kernel_safety.settle(),
        second=_times(second, communities, work),
        server=times("server"),
        model_mb=sum(part.stat().st_size for part in parts(path)) / 1e6,
        plan=warm.plan,
        restored_tokens=next_one.stats.restored_tokens,
        guesses=Guesses(next_one.stats.drafted, next_one.stats.accepted),
        together=warm.stats.way,
    )


_NAIVE, _TUNED = "the naive loop", "the tuned loop"


def _adapters(own: int, communities: int, work: Workload) -> str:
    if work.voices == "personas":
        return "none"
    return "own" if own == communities else "seeded" if own == 0 else "own and seeded"


def _ask(speaking: Pool, work: Workload, question: str) -> Ask:
    comment, answer = Sampling(1.0, 0.9, work.comment_tokens), Sampling(max_tokens=work.answer_tokens)
    return Ask(
        question, "overton", speaking, comment=comment, answer=answer, prompts="paper"
    )  # of full length


def _one_ask(path: Path, name: str, ask: Ask, options: LlamaOptions) -> _Run:
    """Open the model, ask, close."""
    began = time.perf_counter()
    with _Noting(path, name=name, options=options) as engine:
        loaded = time.perf_counter() - began
        *_, last = run(ask, llm=engine, communities=engine)
        if not isinstance(last, Result) or not last.complete:
            raise InvalidInput("The ask did not finish.", "Use fewer tokens or a larger --ctx-size.")
        works = tuple(
            naive.NaiveRequest(
                engine.prompt_tokens(request.messages),
                request.adapter.path if request.adapter else None,
                request.sampling.max_tokens,
                request.sampling.temperature,
            )
            for request in engine.requests
        )
        return _Run(last, loaded, works, engine.threads, engine.info.plan, engine.stats)


def _loops(
    path: Path, warm: _Run, work: Workload, options: LlamaOptions, note: Note
) -> dict[str, naive.Loop]:
    """The loops that ours is compared with, each with what it runs by."""
    default = naive.Loop(_context(warm), None, gpu_layers(options), flash=False)
    loops = {_NAIVE: default} if work.naive else {}
    if work.tuned:
        note("which attention is faster in the loop")
        tuned = replace(default, threads=warm.threads)
        loops[_TUNED] = replace(tuned, flash=naive.is_flash_faster(path, warm.works[-1], tuned))
    return loops


def _context(warm: _Run) -> int:
    """Tokens that the longest prompt and its text take, and some more."""
    return -(-max(len(work.prompt) + work.tokens + 8 for work in warm.works) // 256) * 256


def gpu_layers(options: LlamaOptions) -> int:
    """Layers on a GPU as the engine understands `options`; -1 for all."""
    if not gpu_available():
        return 0
    return options.gpu_layers if isinstance(options.gpu_layers, int) else -1


def _one_server(path: Path, warm: _Run, binary: Path, options: LlamaOptions) -> naive.NaiveRun:
    return server.run(
        binary,
        path,
        warm.works[:-1],
        warm.works[-1],
        server.Serving(_context(warm), warm.threads, gpu_layers(options)),
    )


def _times(runs: Sequence[naive.NaiveRun], communities: int, work: Workload) -> AskTimes:
    comments = statistics.median(run.comments for run in runs)
    loads = [run.load for run in runs if run.load is not None]
    return AskTimes(
        comments_tok_s=communities * work.comment_tokens / comments,
        seconds=statistics.median(run.total for run in runs),
        comments_seconds=comments,
        answer_seconds=statistics.median(run.answer for run in runs),
        load_seconds=statistics.median(loads) if loads else None,
    )
