"""Models of other families on the real engine: they answer, and as the high-level API does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.bench.naive import open_llama
from pluralism_local.engine.llama import LlamaEngine
from tests.support.llama_requests import ask, texts
from tests.support.starter import ONE_THREAD_EACH

pytestmark = pytest.mark.slow

FAMILIES = ["qwen25-coder-0.5b", "gemma-3-270m"]


@pytest.mark.parametrize("name", FAMILIES)
def test_greedy_text_equals_the_high_level_api(name: str, fetched_model: Callable[[str], Path]) -> None:
    path = fetched_model(name)
    with LlamaEngine(path, name=name, options=ONE_THREAD_EACH) as engine:
        question = ask("Name three colours.", tokens=8)
        ours = texts(engine, [question])[0]
        spelled = engine.prompt_tokens(question.messages)
    llama = open_llama(path, n_ctx=256, n_threads=1)
    drawn: list[int] = []
    for token in llama.generate(list(spelled), temp=0.0, repeat_penalty=1.0):
        if token == llama.token_eos() or len(drawn) == 8:
            break
        drawn.append(token)
    theirs = llama.detokenize(drawn, prev_tokens=list(spelled)).decode("utf-8", "replace")
    llama.close()
    assert ours and theirs.startswith(ours)
