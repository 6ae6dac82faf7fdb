"""`plocal bench eval`: an evaluation of ours against the loop that one would write with the high-level API.

    model, pool, samples ──bench_eval──> EvalReport(seconds of both sides, ratio)

Ours is what plocal eval run does (`evaluation.service`) on distributional-globalopinionqa with the method ours: all
comments, then the options' probabilities after each. The naive side asks the very same prompts one by one: per
community the model is opened once with its adapter and comments on every question; then the bare model reads every
(comment, question) and gives one token. It is spared the probabilities, whose `logits_all` would slow it further.
Comments have a fixed number of tokens on both sides; ours are read by both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pluralism_local.bench import naive
from pluralism_local.bench.measure import gpu_layers
from pluralism_local.bench.memory import peak_rss_mb
from pluralism_local.bench.voices import speaking_by_adapter
from pluralism_local.communities import Pool
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.evaluation import service
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.methods import voices_for
from pluralism_local.evaluation.run_folder import SETTINGS, RunSpec
from pluralism_local.evaluation.runner import RunProgress, RunSetup, comments_file
from pluralism_local.evaluation.samples import Sample, Where
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.types import Message, Sampling

TASK = TASKS["distributional-globalopinionqa"]

TOPICS = (
    "the state of the economy in this country",
    "the way democracy is working in this country",
    "children's future in this country",
    "the influence of the United Nations",
    "free trade with other countries",
    "the use of nuclear energy",
    "the role of religion in public life",
    "immigration to this country",
    "the quality of public schools",
    "the courts of this country",
)
COUNTRIES = ("Kenya", "Spain", "Japan", "Brazil", "Pakistan", "Poland", "United States", "Indonesia")


@dataclass(frozen=True, slots=True)
class EvalReport:
    """Wall seconds of both sides over the same requests, loads included; `ratio` is theirs over ours."""

    model: str
    pool: str
    samples: int
    communities: int
    comment_tokens: int
    threads: int
    ours_seconds: float
    naive_seconds: float | None
    naive_threads: int | None
    peak_rss_mb: float | None

    @property
    def ratio(self) -> float | None:
        return None if self.naive_seconds is None else self.naive_seconds / self.ours_seconds

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "schema": "plocal.bench.eval/1",
            "model": self.model,
            "pool": self.pool,
            "task": TASK.name,
            "samples": self.samples,
            "communities": self.communities,
            "comment_tokens": self.comment_tokens,
            "threads": self.threads,
            "seconds": round(self.ours_seconds, 2),
            "naive_seconds": None if self.naive_seconds is None else round(self.naive_seconds, 2),
            "naive_threads": self.naive_threads,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "peak_rss_mb": None if self.peak_rss_mb is None else round(self.peak_rss_mb, 1),
        }


def made_up(count: int) -> list[Sample]:
    """Survey questions of the task's form, for machines without its data."""
    options = ["Very good", "Somewhat good", "Somewhat bad", "Very bad"]
    listed = " ".join(f"{letter}. {text}" for letter, text in zip("ABCD", options, strict=True))
    rows = [
        {
            "question": f"Question: How would you describe {TOPICS[number % len(TOPICS)]}?\n"
            f"Options: {listed}\nAnswer:",
            "options": options,
            "attribute": COUNTRIES[number // len(TOPICS) % len(COUNTRIES)],
            "gold_distribution": [0.25] * 4,
            "id": number,
        }
        for number in range(count)
    ]
    return [TASK.sample(row, Where("made up", number)) for number, row in enumerate(rows)]


def bench_eval(
    path: Path,
    name: str,
    pool: Pool,
    samples: Sequence[Sample],
    comment_tokens: int,
    options: LlamaOptions,
    note: Callable[[str], None],
    *,
    compare: bool,
    tuned: bool = False,
) -> EvalReport:
    """Time ours and, with `compare`, the naive loop, in turn in this process; `tuned` gives it all threads.

    The peak of resident memory is ours, read before anything naive is loaded.

    Raises:
        InvalidInput, NotFound, Refused, ContextOverflow: as the engine and the runner do.
    """
    with tempfile.TemporaryDirectory(prefix="plocal-bench-") as folder:
        options = replace(options, ignore_end=True, weights_dir=Path(folder) / "weights")
        speaking = speaking_by_adapter(pool, path, Path(folder), note)
        comment = Sampling(1.0, 0.9, comment_tokens)
        began = time.perf_counter()
        with LlamaEngine(path, name=name, options=options) as engine:
            setup = RunSetup(TASK, samples, speaking, engine, engine, comment, Sampling(max_tokens=1))

            def tell(now: RunProgress) -> None:
                note(f"ours: {now.done} of {now.total} questions")

            evaluation = service.prepare(setup, _spec(name, pool), Path(folder))
            with service.begin(evaluation) as run:
                service.carry_out(evaluation, hooks=service.Hooks(progress=tell))
            ours = time.perf_counter() - began
            peak, threads = peak_rss_mb(), engine.threads
            records = read_journal(comments_file(run.path, engine.info))
            texts = {(record["sample"], record["community"]): record["text"] for record in records}
            comments, answers = _prompts(setup, engine, texts)
        theirs = None
        if compare:
            note("the naive loop")
            began = time.perf_counter()
            loop = naive.Loop(naive.CONTEXT, threads if tuned else None, gpu_layers(options))
            for adapter, prompts in comments:
                naive.each(path, adapter, prompts, comment_tokens, 1.0, loop)
            naive.each(path, None, answers, 1, 0.0, loop)
            theirs = time.perf_counter() - began
    return EvalReport(
        name,
        pool.id,
        len(samples),
        len(pool.members),
        comment_tokens,
        threads,
        ours,
        theirs,
        threads if tuned else None,
        peak,
    )


def _spec(model: str, pool: Pool) -> RunSpec:
    """A run that nobody goes on with: only what its record must have is named."""
    settings = dict.fromkeys(SETTINGS) | {"model": model, "pool": pool.id}
    return RunSpec(TASK.name, "", ("ours",), None, None, "none", (), None, settings)


def _prompts(
    setup: RunSetup, engine: LlamaEngine, texts: dict[tuple[str, str], str]
) -> tuple[list[tuple[Path | None, list[tuple[int, ...]]]], list[tuple[int, ...]]]:
    """The whole prompts of the comments, by adapter, and of the answers."""
    voices = voices_for("ours", setup.pool, adapters=True)
    comments = [
        (
            voice.adapter.path if voice.adapter else None,
            [engine.prompt_tokens([Message("user", TASK.comment(sample).text)]) for sample in setup.samples],
        )
        for voice in voices
    ]
    answers = [
        engine.prompt_tokens([Message("user", TASK.answer(sample, texts[sample.id, voice.id]).text)])
        for sample in setup.samples
        for voice in voices
    ]
    return comments, answers
