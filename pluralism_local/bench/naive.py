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

from llama_cpp import Llama


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
    """One text to generate: the whole prompt, the adapter, and exactly how many new tokens."""

    prompt: str
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


def _generate(model: Path, work: Work, context: int, threads: int | None) -> str:
    llama = Llama(
        str(model),
        lora_path=str(work.adapter) if work.adapter else None,
        n_ctx=context,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    try:
        prompt = llama.tokenize(work.prompt.encode(), add_bos=False, special=True)
        # the generator, unlike create_completion, runs on past an end-of-answer token
        drawn = llama.generate(prompt, temp=work.temperature, top_p=0.9)
        return str(llama.detokenize(list(islice(drawn, work.tokens))).decode("utf-8", "replace"))
    finally:
        llama.close()
