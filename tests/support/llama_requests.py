"""Short forms that the tests of the local engine share."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Message,
    OptionRequest,
    Request,
    Sampling,
    TextDelta,
    TextDone,
)

QUESTION = "Should phones be banned in schools? Say what you think and why."
LETTERS = ("A", "B", "C", "D")
LETTER_QUESTION = "Which is best?\nA. Tea\nB. Coffee\nC. Water\nD. Milk\nAnswer with one letter."

BATCH_TOLERANCE = 2e-3
"""Largest difference of next-token probabilities that batch shapes may make for the model in F16, whose activations
are not quantized. Seen: below 5e-4. For the starter model's Q4_1 rounding is amplified to about 0.05."""


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def ask(
    text: str = QUESTION,
    adapter: AdapterRef | None = None,
    *,
    tokens: int = 16,
    temperature: float = 0.0,
    seed: int = 0,
    keep: bool = False,
) -> Request:
    sampling = Sampling(temperature=temperature, top_p=0.9, max_tokens=tokens, seed=seed)
    return Request(user(text), sampling, adapter, keep)


def letters(text: str = LETTER_QUESTION, adapter: AdapterRef | None = None) -> OptionRequest:
    return OptionRequest(user(text), LETTERS, adapter)


def run(
    engine: LlamaEngine, requests: Sequence[Request], should_stop: ShouldStop = never
) -> tuple[list[Completion], list[EngineEvent]]:
    """Completions by request, and all events."""
    events = list(engine.generate(requests, should_stop=should_stop))
    done = {e.index: e.completion for e in events if isinstance(e, TextDone)}
    assert sorted(done) == list(range(len(requests)))
    for index, completion in done.items():
        deltas = [e.text for e in events if isinstance(e, TextDelta) and e.index == index]
        assert "".join(deltas) == completion.text
        assert all(deltas)
    return [done[i] for i in range(len(requests))], events


def texts(engine: LlamaEngine, requests: Sequence[Request]) -> list[str]:
    return [completion.text for completion in run(engine, requests)[0]]


def close(left: Sequence[float], right: Sequence[float]) -> float:
    """Largest absolute difference."""
    return max(abs(a - b) for a, b in zip(left, right, strict=True))
