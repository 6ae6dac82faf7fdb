"""Option probabilities of the local engine against the high-level API and against brute force."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pluralism_local.bench.naive import open_llama
from pluralism_local.engine.lane import SEQUENCES
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import Cancelled
from pluralism_local.types import OptionRequest
from tests.support.llama_requests import BATCH_TOLERANCE, close, letters, user

LlamaApi = Any


@pytest.fixture(scope="module")
def api(starter_path: Path) -> Iterator[LlamaApi]:
    """The high-level API on the same file; it keeps the logits of every position."""
    llama = open_llama(starter_path, n_ctx=256, n_threads=2, logits_all=True)
    yield llama
    llama.close()


def next_token_p(api: LlamaApi, tokens: list[int]) -> npt.NDArray[np.float64]:
    """Probabilities [vocabulary] after `tokens`."""
    api.reset()
    api.eval(tokens)
    logits = np.asarray(api.scores[len(tokens) - 1], dtype=np.float64)
    weights: npt.NDArray[np.float64] = np.exp(logits - logits.max())
    p: npt.NDArray[np.float64] = weights / weights.sum()
    return p


def prompt_tokens(api: LlamaApi, text: str) -> list[int]:
    prompt = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    system = (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    )
    return list(api.tokenize((system + prompt).encode(), add_bos=False, special=True))


@pytest.mark.parametrize(
    "text",
    [
        "Which is best?\nA. Tea\nB. Coffee\nC. Water\nD. Milk\nAnswer with one letter.",
        "Is it right to lie to protect a friend?\nA. Always\nB. Often\nC. Rarely\nD. Never\nAnswer:",
        "How much do you trust the press?\nA. A lot\nB. Some\nC. Little\nD. None",
    ],
)
def test_letters_equal_the_high_level_api(engine: LlamaEngine, api: LlamaApi, text: str) -> None:
    tokens = prompt_tokens(api, text)
    assert engine.count_tokens(user(text)) == len(tokens)
    p = next_token_p(api, tokens)
    spelled = {t: api.detokenize([t]).decode("utf-8", "replace").strip() for t in range(len(p))}
    engine.forget()
    ours = engine.distribution([letters(text)])[0]
    expected = [sum(float(p[t]) for t, word in spelled.items() if word == letter) for letter in ours.options]
    assert close(ours.mass, expected) < 1e-3
    assert ours.unassigned_mass == pytest.approx(1 - sum(ours.mass), abs=1e-12)
    assert sum(ours.p) == pytest.approx(1, abs=1e-12)
    assert ours.method == "exact"


@pytest.mark.slow
def test_options_of_several_tokens_are_products_of_conditionals(engine: LlamaEngine, api: LlamaApi) -> None:
    text = "Do you agree? Answer: strongly agree, agree, or disagree."
    tokens = prompt_tokens(api, text)
    engine.forget()
    ours = engine.distribution([OptionRequest(user(text), ("strongly agree", "agree", "utterly disagree"))])[
        0
    ]
    for option, mass in zip(ours.options, ours.mass, strict=True):
        total = 0.0
        for variant in (option, f" {option}"):
            path = list(api.tokenize(variant.encode(), add_bos=False, special=False))
            joint = 1.0
            for i, token in enumerate(path):
                joint *= float(next_token_p(api, tokens + path[:i])[token])
            total += joint
        assert mass == pytest.approx(total, rel=0.05, abs=1e-4)


def test_a_longer_number_takes_its_mass_off_the_shorter(precise: LlamaEngine) -> None:
    text = "Pick a comment number from 1 to 12."
    alone = precise.distribution([OptionRequest(user(text), ("1", "2"))])[0]
    both = precise.distribution([OptionRequest(user(text), ("1", "2", "12"))])[0]
    assert both.mass[0] + both.mass[2] == pytest.approx(alone.mass[0], abs=BATCH_TOLERANCE)
    assert both.mass[2] > 0


def test_many_conditionings_in_one_call_share_their_beginning(precise: LlamaEngine) -> None:
    requests = [
        letters(f"Passage: reason number {n}.\n\nWhich?\nA. Tea\nB. Coffee\nC. Water\nD. Milk")
        for n in range(6)
    ]
    precise.forget()
    before = precise.stats
    together = precise.distribution(requests)
    after = precise.stats
    lengths = [precise.count_tokens(request.messages) for request in requests]
    decoded = after.decoded_tokens - before.decoded_tokens
    assert decoded < sum(lengths)
    assert after.decode_calls - before.decode_calls == -(-decoded // 128), (
        "one call per chunk, not per request"
    )
    for request, mixed in zip(requests, together, strict=True):
        precise.forget()
        assert close(mixed.mass, precise.distribution([request])[0].mass) < BATCH_TOLERANCE


def test_stopping_raises_cancelled_and_leaves_the_engine_usable(engine: LlamaEngine) -> None:
    with pytest.raises(Cancelled):
        engine.distribution([letters()], should_stop=lambda: True)
    assert engine.distribution([letters()])[0].method == "exact"


@pytest.mark.parametrize("count", [SEQUENCES, SEQUENCES + 1])
def test_as_many_prompts_as_a_context_has_sequences_are_weighed_together(
    precise: LlamaEngine, count: int
) -> None:
    requests = [letters(f"Reason number {n}.\n\nWhich?\nA. Tea\nB. Coffee") for n in range(count)]
    together = precise.distribution(requests)
    for request, found in list(zip(requests, together, strict=True))[:: count - 1]:
        alone = precise.distribution([request])[0]
        assert close(found.mass, alone.mass) < BATCH_TOLERANCE
