"""RemoteEngine against a real llama.cpp server with the starter model on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from pluralism_local.bench.naive import open_llama
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.errors import ContextOverflow
from pluralism_local.types import TextDelta, TextDone
from tests.support.llama_cpp_server import serving
from tests.support.remote_server import LETTERS, QUESTION, only_answer, say


@pytest.fixture(scope="module")
def llama_server(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(starter_path, tmp_path_factory.mktemp("server") / "log.txt") as url:
        yield url


@pytest.fixture
def engine(llama_server: str) -> Iterator[RemoteEngine]:
    with RemoteEngine(llama_server) as running:
        yield running


def test_streaming_equals_the_answer_in_one_piece(engine: RemoteEngine, llama_server: str) -> None:
    request = say("Name three colours.", max_tokens=24)
    # from the second time on the server has the prompt's cells: both answers below begin from the same numbers
    only_answer(engine.generate([request]))
    streamed = only_answer(engine.generate([request]))
    reply = httpx2.post(
        f"{llama_server}/chat/completions",
        json={
            "messages": [{"role": "user", "content": "Name three colours."}],
            "temperature": 0,
            "top_p": 1,
            "max_tokens": 24,
        },
        timeout=60,
        trust_env=False,
    ).json()
    assert streamed.text == reply["choices"][0]["message"]["content"]
    assert streamed.finish == reply["choices"][0]["finish_reason"]
    assert streamed.usage.completion == reply["usage"]["completion_tokens"]
    assert engine.info.id == f"remote:{llama_server}#starter"


def test_stop_texts_end_the_answer(engine: RemoteEngine) -> None:
    free = only_answer(engine.generate([say("Name three colours.", max_tokens=24)])).text
    word = free.split()[3]
    cut = only_answer(engine.generate([say("Name three colours.", max_tokens=24, stop=(word,))]))
    assert cut.text == free[: free.index(word)]
    assert cut.finish == "stop"


def test_option_probabilities_are_the_models_own(engine: RemoteEngine, starter_path: Path) -> None:
    found = engine.distribution([LETTERS])[0]
    truth = direct_masses(starter_path, ("A", "B"))
    assert found.method == "top_logprobs"
    for mass, (low, high), true in zip(found.mass, found.bounds, truth, strict=True):
        assert low - 1e-3 <= true <= high + 1e-3
        assert mass == pytest.approx(true, abs=1e-2)
    assert found.p == pytest.approx([mass / sum(truth) for mass in truth], abs=1e-2)
    assert found.unassigned_mass == pytest.approx(1 - sum(truth), abs=2e-2)


def direct_masses(model: Path, letters: tuple[str, ...]) -> list[float]:
    """Next-token probability of each letter, bare and after a space, by the high-level API."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    llama = open_llama(model, n_ctx=256, logits_all=True)
    try:
        formatter = Jinja2ChatFormatter(
            llama.metadata["tokenizer.chat_template"], eos_token="<|im_end|>", bos_token="<|im_start|>"
        )
        prompt = formatter(messages=[{"role": "user", "content": QUESTION[0].content}]).prompt
        tokens = llama.tokenize(prompt.encode(), add_bos=False, special=True)
        llama.eval(tokens)
        logits = np.asarray(llama.scores[len(tokens) - 1], dtype=np.float64)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        spellings = [
            [llama.tokenize(text.encode(), add_bos=False) for text in (letter, f" {letter}")]
            for letter in letters
        ]
        assert all(len(ids) == 1 for pair in spellings for ids in pair)
        return [float(sum(p[ids[0]] for ids in pair)) for pair in spellings]
    finally:
        llama.close()


def test_a_prompt_too_long_is_refused_with_both_numbers(engine: RemoteEngine) -> None:
    with pytest.raises(ContextOverflow) as caught:
        list(engine.generate([say("word " * 900, max_tokens=5)]))
    assert caught.value.available == 512
    assert caught.value.needed > 900
    assert only_answer(engine.generate([say("Hi", max_tokens=3)])).text


def test_stopped_in_the_middle_keeps_what_there_was_and_stays_usable(engine: RemoteEngine) -> None:
    seen = 0
    events = engine.generate([say("Write a long story.", max_tokens=400)], should_stop=lambda: seen >= 5)
    for event in events:
        seen += isinstance(event, TextDelta)
        if isinstance(event, TextDone):
            assert event.completion.finish == "cancelled"
            assert event.completion.text
            assert event.completion.usage.completion == seen == 5
    assert only_answer(engine.generate([say("Hi", max_tokens=3)])).text
