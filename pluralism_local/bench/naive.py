"""The yardstick: an overton ask as one would write it today with llama-cpp-python's high-level API.

For every community with an adapter: open the model with it, generate, close; `Llama(lora_path=…)` takes one adapter
when it is made and cannot swap it, so the model is loaded again each time. Texts without an adapter, as of communities
that speak through personas, and the answer after them, come from one `Llama` that stays open; of the prompt before it,
that API reuses what the next begins with. It gets the same prompts and token counts as ours; its sampler keeps its
defaults (top-k 40), which is the faster choice, and so do its threads: the library takes half of the cores for
generating and all of them for prompts. A loop that was tuned by hand has as many as ours for both, and the faster kind
of attention.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pluralism_local.engine import kernel_safety

CONTEXT = 2048
"""Of a model that reads many prompts."""

_TRIED_TOKENS = 16
"""That are written to know which attention is faster."""


@dataclass(frozen=True, slots=True)
class NaiveRun:
    """Wall seconds: `comments` (all of them), `answer`, and `load`, where it is not among the comments'."""

    comments: float
    answer: float
    load: float | None = None

    @property
    def total(self) -> float:
        """All of it."""
        return self.comments + self.answer + (self.load or 0.0)


@dataclass(frozen=True, slots=True)
class NaiveRequest:
    """One text to generate: the whole prompt's tokens, the adapter, and exactly how many new tokens."""

    prompt: Sequence[int]
    adapter: Path | None
    tokens: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Loop:
    """How a loop runs: tokens of context, threads (None: the library's default), layers on a GPU, flash attention."""

    context: int
    threads: int | None = None
    gpu_layers: int = 0
    flash: bool = False


def run(model: Path, comments: Sequence[NaiveRequest], answer: NaiveRequest, loop: Loop) -> NaiveRun:
    """Carry out `comments`, then `answer`; the model is opened anew where the adapter changes, loads included."""
    began = time.perf_counter()
    halfway = began
    llama, active = None, None
    try:
        for work in (*comments, answer):
            if work is answer:
                halfway = time.perf_counter()
            if llama is None or work.adapter != active:
                if llama is not None:
                    llama.close()
                llama, active = _open(model, work.adapter, loop), work.adapter
            _text(llama, work.prompt, work.tokens, work.temperature)
    finally:
        if llama is not None:
            llama.close()
    return NaiveRun(halfway - began, time.perf_counter() - halfway)


def is_flash_faster(model: Path, work: NaiveRequest, loop: Loop) -> bool:
    """Whether the loop reads the prompt of `work` and writes some tokens faster with flash attention."""
    seconds = {}
    for flash in (False, True):
        llama = _open(model, None, replace(loop, flash=flash))
        try:
            _text(llama, work.prompt[:16], 2, 0.0)  # warm
            began = time.perf_counter()
            _text(llama, work.prompt, min(work.tokens, _TRIED_TOKENS), 0.0)
            seconds[flash] = time.perf_counter() - began
        finally:
            llama.close()
    return seconds[True] < seconds[False]


def each(
    model: Path,
    adapter: Path | None,
    prompts: Sequence[Sequence[int]],
    tokens: int,
    temperature: float,
    loop: Loop,
) -> None:
    """One text per prompt, one after the other, with one model opened for all of them."""
    llama = _open(model, adapter, loop)
    try:
        for prompt in prompts:
            _text(llama, prompt, tokens, temperature)
    finally:
        llama.close()


def open_llama(model: Path, **options: Any) -> Any:
    """llama-cpp-python's own `Llama` with its `options`, quiet, and without kernels that fault on this machine."""
    from llama_cpp import Llama  # after the engine's own settings of its threads

    kernel_safety.settle()
    return Llama(str(model), verbose=False, **options)


def _open(model: Path, adapter: Path | None, loop: Loop) -> Any:
    return open_llama(
        model,
        lora_path=str(adapter) if adapter else None,
        n_ctx=loop.context,
        n_threads=loop.threads,
        n_threads_batch=loop.threads,
        n_gpu_layers=loop.gpu_layers,
        flash_attn=loop.flash,
    )


def _text(llama: Any, prompt: Sequence[int], tokens: int, temperature: float) -> str:
    # the generator, unlike create_completion, runs on past an end-of-answer token
    drawn = llama.generate(prompt, temp=temperature, top_p=0.9)
    return str(llama.detokenize(list(islice(drawn, tokens))).decode("utf-8", "replace"))
