"""The yardstick: an overton ask as one would write it today with llama-cpp-python's high-level API.

For every community: open the model with its adapter, generate, close. Then open the model alone and let it read the
comments. `Llama(lora_path=…)` takes one adapter when it is made and cannot swap it, so the model is loaded again each
time, and nothing of the shared question is reused. It gets the same prompts and token counts as ours; its sampler
keeps its defaults (top-k 40), which is the faster choice, and so do its threads: the library takes half of the cores
for generating and all of them for prompts. `threads` sets both, for a loop that was tuned by hand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pluralism_local.engine import kernel_safety

CONTEXT = 2048
"""Of a model that reads many prompts."""


@dataclass(frozen=True, slots=True)
class NaiveRun:
    """Wall seconds: `comments` (all of them, loads included), `answer`, and their sum `total`."""

    comments: float
    answer: float

    @property
    def total(self) -> float:
        return self.comments + self.answer


@dataclass(frozen=True, slots=True)
class Work:
    """One text to generate: the whole prompt's tokens, the adapter, and exactly how many new tokens."""

    prompt: Sequence[int]
    adapter: Path | None
    tokens: int
    temperature: float


def run(
    model: Path, comments: Sequence[Work], answer: Work, *, context: int, threads: int | None
) -> NaiveRun:
    """Carry out `comments`, then `answer`, each with a model of its own; `threads` None: the library's default."""
    began = time.perf_counter()
    for work in comments:
        _generate(model, work, context, threads)
    halfway = time.perf_counter()
    _generate(model, answer, context, threads)
    return NaiveRun(halfway - began, time.perf_counter() - halfway)


def each(
    model: Path,
    adapter: Path | None,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    temperature: float,
    *,
    threads: int | None,
) -> None:
    """One text per prompt, one after the other, with one model opened for all of them."""
    llama = _open(model, adapter, CONTEXT, threads)
    try:
        for prompt in prompts:
            _text(llama, prompt, tokens, temperature)
    finally:
        llama.close()


def _generate(model: Path, work: Work, context: int, threads: int | None) -> str:
    llama = _open(model, work.adapter, context, threads)
    try:
        return _text(llama, work.prompt, work.tokens, work.temperature)
    finally:
        llama.close()


def open_llama(model: Path, **options: Any) -> Any:
    """llama-cpp-python's own `Llama` with its `options`, quiet, and without kernels that fault on this machine."""
    from llama_cpp import Llama  # after the engine's own settings of its threads

    kernel_safety.settle()
    return Llama(str(model), verbose=False, **options)


def _open(model: Path, adapter: Path | None, context: int, threads: int | None) -> Any:
    return open_llama(
        model,
        lora_path=str(adapter) if adapter else None,
        n_ctx=context,
        n_threads=threads,
        n_threads_batch=threads,
    )


def _text(llama: Any, prompt: Sequence[int], tokens: int, temperature: float) -> str:
    # the generator, unlike create_completion, runs on past an end-of-answer token
    drawn = llama.generate(prompt, temp=temperature, top_p=0.9)
    return str(llama.detokenize(list(islice(drawn, tokens))).decode("utf-8", "replace"))
