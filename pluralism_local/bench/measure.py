"""The measurements behind `plocal bench`.

    model, pool, Workload ──bench──> Report ──> record() for JSON, or text by the CLI

The communities of the ask speak through adapters alone, without personas: what is measured is the engine, not the
length of a persona. Cards without an adapter get a seeded rank-8 one, on both sides of a comparison.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pluralism_local.bench import naive
from pluralism_local.bench.memory import peak_rss_mb
from pluralism_local.bench.seeded import write_lora
from pluralism_local.bench.speeds import Lengths, speeds
from pluralism_local.communities import AdapterSpec, BaseSpec, Community, Member, Pool, made_for
from pluralism_local.engine import kernel_safety
from pluralism_local.engine.kernel_safety import Verdict
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_file import fingerprint, read_header, sha256_of
from pluralism_local.modes import Ask, run
from pluralism_local.prompts import OVERTON_SYNTHESIS, numbered
from pluralism_local.types import Message, Result, Sampling

QUESTION = "Should phones be banned in schools? Say what you think about it and why, in a few sentences."

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workload:
    """What to measure.

    Attributes:
        comment_tokens, answer_tokens: new tokens, exactly.
        repeats: how often; medians are reported.
        naive: also run the naive loop, as the library's defaults have it.
        tuned: also run it with as many threads as ours uses.
    """

    comment_tokens: int = 128
    answer_tokens: int = 200
    repeats: int = 3
    naive: bool = False
    tuned: bool = False

    def __post_init__(self) -> None:
        for name in ("comment_tokens", "answer_tokens", "repeats"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name.replace('_', ' ')} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class AskTimes:
    """Medians in wall seconds; `comments_tok_s` is all comments' new tokens over the comments stage."""

    comments_tok_s: float
    seconds: float
    comments_seconds: float
    answer_seconds: float
    load_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures. Rates are tokens per second; ratios are ours over theirs for rates, theirs over ours for time.

    `kernels` says what both sides did without, since it faults on this machine.
    """

    model: str
    pool: str
    communities: int
    adapters: str
    threads: int
    workload: Workload
    prefill_tok_s: float
    decode_tok_s: float
    batch_tok_s: float
    ask: AskTimes
    naive: AskTimes | None
    tuned: AskTimes | None
    peak_rss_mb: float | None
    kernels: Verdict = field(default_factory=Verdict)

    def ratio(self, other: AskTimes | None) -> dict[str, float] | None:
        """How many times faster ours is than `other`: comments by rate, the whole ask by time."""
        if other is None:
            return None
        return {
            "comments": self.ask.comments_tok_s / other.comments_tok_s,
            "ask": other.seconds / self.ask.seconds,
        }

    def record(self) -> dict[str, Any]:
        """The report as JSON-ready values."""

        def rounded(figures: dict[str, float] | None) -> dict[str, float] | None:
            return None if figures is None else _rounded(figures)

        def times(one: AskTimes | None) -> dict[str, float] | None:
            return (
                None
                if one is None
                else _rounded(
                    {
                        "comments_tok_s": one.comments_tok_s,
                        "seconds": one.seconds,
                        "comments_seconds": one.comments_seconds,
                        "answer_seconds": one.answer_seconds,
                        **({} if one.load_seconds is None else {"load_seconds": one.load_seconds}),
                    }
                )
            )

        return {
            "schema": "plocal.bench/1",
            "model": self.model,
            "pool": self.pool,
            "communities": self.communities,
            "adapters": self.adapters,
            "threads": self.threads,
            "comment_tokens": self.workload.comment_tokens,
            "answer_tokens": self.workload.answer_tokens,
            "repeats": self.workload.repeats,
            **_rounded(
                {
                    "prefill_tok_s": self.prefill_tok_s,
                    "decode_tok_s": self.decode_tok_s,
                    "batch_tok_s": self.batch_tok_s,
                }
            ),
            "ask": times(self.ask),
            "naive": times(self.naive),
            "ratio": rounded(self.ratio(self.naive)),
            "tuned_naive": times(self.tuned),
            "tuned_ratio": rounded(self.ratio(self.tuned)),
            "peak_rss_mb": None if self.peak_rss_mb is None else round(self.peak_rss_mb, 1),
            "kernels_left_out": list(self.kernels.dropped),
        }


def bench(path: Path, name: str, pool: Pool, work: Workload, options: LlamaOptions, note: Note) -> Report:
    """Measure everything on the model at `path`.

    The peak of resident memory is that of our own ask, read before anything naive is loaded.

    Raises:
        InvalidInput, NotFound, Refused, ContextOverflow: as the engine and the modes do.
    """
    with tempfile.TemporaryDirectory(prefix="plocal-bench-") as folder:
        options = replace(
            options, ignore_end=True, pack_dir=Path(folder) / "packs", weights_dir=Path(folder) / "weights"
        )
        speaking = speaking_by_adapter(pool, path, Path(folder), note)
        ask = Ask(
            QUESTION,
            "overton",
            speaking,
            comment=Sampling(1.0, 0.9, work.comment_tokens),
            answer=Sampling(max_tokens=work.answer_tokens),
        )
        note("warming up")
        warm, _ = _one_ask(path, name, ask, options)
        peak = peak_rss_mb()
        ours: list[tuple[Result, float]] = []
        theirs: list[naive.NaiveRun] = []
        tuned: list[naive.NaiveRun] = []
        for turn in range(work.repeats):
            note(f"overton ask, run {turn + 1} of {work.repeats}")
            ours.append(_one_ask(path, name, ask, options))
            if work.naive:
                note(f"the naive loop, run {turn + 1} of {work.repeats}")
                theirs.append(_one_naive(path, name, ask, warm, options, all_threads=False))
            if work.tuned:
                note(f"the naive loop with all threads, run {turn + 1} of {work.repeats}")
                tuned.append(_one_naive(path, name, ask, warm, options, all_threads=True))
        note("prefill and decode")
        with LlamaEngine(path, name=name, options=options) as engine:
            rates = speeds(engine, work.repeats, Lengths())
            threads = engine.threads
    base = fingerprint(read_header(path))
    own = sum(_has_own(member, base) for member in pool.members)
    communities = len(pool.members)
    return Report(
        model=name,
        pool=pool.id,
        communities=communities,
        adapters="own" if own == communities else "seeded" if own == 0 else "own and seeded",
        threads=threads,
        workload=work,
        prefill_tok_s=rates.prefill_tok_s,
        decode_tok_s=rates.decode_tok_s,
        batch_tok_s=rates.batch_tok_s,
        ask=_our_times(ours, communities, work),
        naive=_naive_times(theirs, communities, work) if theirs else None,
        tuned=_naive_times(tuned, communities, work) if tuned else None,
        peak_rss_mb=peak,
        kernels=kernel_safety.settle(),
    )


def _one_ask(path: Path, name: str, ask: Ask, options: LlamaOptions) -> tuple[Result, float]:
    """Open the model, ask, close; the result and the seconds the load took."""
    began = time.perf_counter()
    with LlamaEngine(path, name=name, options=options) as engine:
        loaded = time.perf_counter() - began
        *_, last = run(ask, llm=engine, communities=engine)
    if not isinstance(last, Result) or not last.complete:
        raise InvalidInput("The ask did not finish.", "Use fewer tokens or a larger --ctx-size.")
    return last, loaded


def _one_naive(
    path: Path, name: str, ask: Ask, ours: Result, options: LlamaOptions, *, all_threads: bool
) -> naive.NaiveRun:
    """The same ask as a naive loop. The answer reads our comments, so that both prompts have the same length."""
    passages = numbered("Passage", [comment.text for comment in ours.comments])
    synthesis = OVERTON_SYNTHESIS.render(question=ask.prompt, passages=passages)
    with LlamaEngine(path, name=name, options=options) as engine:
        question = engine.prompt_tokens([Message("user", ask.prompt)])
        answer = engine.prompt_tokens([Message("user", synthesis)])
        longest = engine.count_tokens([Message("user", synthesis)])
        threads = engine.threads if all_threads else None
    members = ask.pool.members if ask.pool else ()
    comments = [
        naive.Work(question, ref.path if ref else None, ask.comment.max_tokens, 1.0)
        for ref in (member.adapter for member in members)
    ]
    work = naive.Work(answer, None, ask.answer.max_tokens, 0.0)
    context = -(-(longest + ask.answer.max_tokens + 8) // 256) * 256
    return naive.run(path, comments, work, context=context, threads=threads)


def _our_times(runs: Sequence[tuple[Result, float]], communities: int, work: Workload) -> AskTimes:
    comments = statistics.median(result.seconds["comments"] for result, _ in runs)
    return AskTimes(
        comments_tok_s=communities * work.comment_tokens / comments,
        seconds=statistics.median(result.seconds["total"] + load for result, load in runs),
        comments_seconds=comments,
        answer_seconds=statistics.median(result.seconds["answer"] for result, _ in runs),
        load_seconds=statistics.median(load for _, load in runs),
    )


def _naive_times(runs: Sequence[naive.NaiveRun], communities: int, work: Workload) -> AskTimes:
    comments = statistics.median(run.comments for run in runs)
    return AskTimes(
        comments_tok_s=communities * work.comment_tokens / comments,
        seconds=statistics.median(run.total for run in runs),
        comments_seconds=comments,
        answer_seconds=statistics.median(run.answer for run in runs),
    )


def speaking_by_adapter(pool: Pool, model: Path, folder: Path, note: Note) -> Pool:
    """`pool` without personas, with an adapter for every member; seeded ones are written into `folder`.

    Seeded adapters are activated by the model's assistant header, as trained ones will be; a model without a chat
    template gets adapters that act always.
    """
    header = read_header(model)
    base = BaseSpec(model=model.name, fingerprint=fingerprint(header))
    header_tokens: tuple[int, ...] = ()
    if any(not _has_own(member, base.fingerprint) for member in pool.members):
        with LlamaEngine(model, name=model.name) as engine:
            header_tokens = engine.answer_header()
    members = []
    for index, member in enumerate(pool.members):
        card = member.community.card
        home = member.community.folder
        if not _has_own(member, base.fingerprint):
            note(f"writing a seeded adapter for {card.id}")
            file = write_lora(
                folder / f"{card.id}.gguf",
                base_header=header,
                seed=index,
                invocation_tokens=header_tokens or None,
            )
            spec = AdapterSpec(
                file=file.name,
                sha256=sha256_of(file),
                rank=8,
                alpha=16.0,
                activation="assistant" if header_tokens else "always",
            )
            card, home = card.model_copy(update={"adapter": spec, "base": base}), folder
        spoken = Community(card.model_copy(update={"persona": None}), home)
        members.append(Member(spoken, member.weight, member.scale))
    return replace(pool, members=tuple(members))


def _has_own(member: Member, fingerprint: str) -> bool:
    """Whether it brings an adapter for this base; one for another base counts as none."""
    return member.community.card.adapter is not None and made_for(member.community, fingerprint)


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}
