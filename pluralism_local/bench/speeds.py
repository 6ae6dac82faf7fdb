"""How fast a model reads and writes here, by the engine's own calls.

engine, Lengths ──speeds──> Speeds(prompt, one answer, a batch of answers), medians in tokens per second
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import Cancelled
from pluralism_local.types import Message, Request, Sampling, TextDone, TextStarted

BATCH = 8
"""Answers of a batch."""

_WORD, _COUNTED = "word ", 64
"""What prompts are filled with, and how many of them are counted to know what one takes."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of the prompt, about, and of each answer, exactly."""

    prompt: int = 512
    answer: int = 64


@dataclass(frozen=True, slots=True)
class Speeds:
    """Medians in tokens per second; `batch_tok_s` is all answers of a batch together."""

    prefill_tok_s: float
    decode_tok_s: float
    batch_tok_s: float


def speeds(
    engine: LlamaEngine,
    repeats: int,
    lengths: Lengths,
    *,
    progress: Callable[[float], None] = lambda _share: None,
    should_stop: ShouldStop = never,
) -> Speeds:
    """Measure the base model. A first turn warms up.

    `engine` must ignore the tokens that end an answer, and guess at none (`lookup`): how many guesses come true
    depends on the text.

    `progress` gets the share of turns that are done, in [0, 1].

    Raises:
        Cancelled: `should_stop` turned true.
        InvalidInput, ContextOverflow, EngineFailure: as the engine does.
    """
    prompt = _filled(engine, lengths.prompt)
    length = engine.count_tokens(prompt)
    turns: list[Speeds] = []
    for turn in range(repeats + 1):
        progress(turn / (repeats + 1))
        short = (Message("user", f"Count to {turn}."),)
        request = [Request(short, Sampling(max_tokens=lengths.answer))]
        many = [Request(short, Sampling(1.0, 0.9, lengths.answer, seed=seed)) for seed in range(BATCH)]
        turns.append(
            Speeds(
                length / _seconds_to_first(engine, Request(prompt, Sampling(max_tokens=1)), should_stop),
                _decode_rate(engine, request, should_stop),
                _decode_rate(engine, many, should_stop),
            )
        )
    measured = turns[1:]
    return Speeds(
        statistics.median(turn.prefill_tok_s for turn in measured),
        statistics.median(turn.decode_tok_s for turn in measured),
        statistics.median(turn.batch_tok_s for turn in measured),
    )


def _filled(engine: LlamaEngine, target: int) -> tuple[Message, ...]:
    """A prompt of about `target` tokens, whatever the vocabulary makes of a word."""
    empty = engine.count_tokens([Message("user", "")])
    word = (engine.count_tokens([Message("user", _WORD * _COUNTED)]) - empty) / _COUNTED
    return (Message("user", _WORD * max(1, round((target - empty) / word))),)


def _seconds_to_first(engine: LlamaEngine, request: Request, should_stop: ShouldStop) -> float:
    engine.forget()
    began = time.perf_counter()
    seconds = 0.0
    for event in engine.generate([request], should_stop=should_stop):
        if isinstance(event, TextStarted):
            seconds = time.perf_counter() - began
    _go_on(should_stop)
    return seconds


def _decode_rate(engine: LlamaEngine, requests: Sequence[Request], should_stop: ShouldStop) -> float:
    """New tokens per second of all `requests` together, from the last prompt's end on."""
    engine.forget()
    began, tokens = 0.0, 0
    for event in engine.generate(requests, should_stop=should_stop):
        if isinstance(event, TextStarted):
            began = time.perf_counter()
        elif isinstance(event, TextDone):
            tokens += event.completion.usage.completion - 1
    _go_on(should_stop)
    return tokens / (time.perf_counter() - began)


def _go_on(should_stop: ShouldStop) -> None:
    """Raises: Cancelled if a measurement was stopped: it then says nothing."""
    if should_stop():
        raise Cancelled
