"""Positions on real models: what they find must be a window, whatever the texts are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.modes import Ask, run
from pluralism_local.positions.claims import MOST
from pluralism_local.results import Result, Window
from pluralism_local.types import Sampling
from tests.support.mode_asks import last, pool

QUESTION = "Should phones be banned in schools?"
TWO = pool(("left", 0.5), ("right", 0.5))
SHORT = Sampling(temperature=1, top_p=0.9, max_tokens=48)


@pytest.fixture(scope="module")
def instruct(fetched_model: Callable[[str], Path]) -> Iterator[LlamaEngine]:
    with LlamaEngine(
        fetched_model("qwen25-coder-0.5b"), name="qwen", options=LlamaOptions(ctx_size=2048)
    ) as engine:
        yield engine


@pytest.fixture(scope="module")
def starter(starter_path: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=2048)) as engine:
        yield engine


def result_of(engine: LlamaEngine) -> Result:
    ask = Ask(
        QUESTION, "overton", TWO, comment=SHORT, answer=Sampling(max_tokens=64), positions=True, prompts="own"
    )
    return last(run(ask, llm=engine, communities=engine))


def check(window: Window | None) -> None:
    """Every position is supported by a voice, and every probability is one."""
    assert window is not None
    assert len(window.positions) <= MOST and window.voices == ("left", "right")
    for position in window.positions:
        assert position.supporters and position.text.strip()
        for p in (*position.support.values(), *position.opposition.values()):
            assert 0 <= p <= 1
    assert len({position.id for position in window.positions}) == len(window.positions)


@pytest.mark.slow
def test_an_instruct_model_lists_positions_and_writes_about_them(instruct: LlamaEngine) -> None:
    result = result_of(instruct)
    assert result.complete and result.answer
    check(result.window)
    if result.window is not None and result.window.positions:
        paragraphs = result.answer.split("\n\n")
        assert len(paragraphs) == len(result.window.positions)
        for paragraph, position in zip(paragraphs, result.window.positions, strict=True):
            assert paragraph.endswith(f"[{', '.join(position.supporters)}]")
            assert position.text[1:].rstrip(".") in paragraph


@pytest.mark.slow
def test_the_starter_writes_its_two_sides_and_takes_the_comments_own_sentences(starter: LlamaEngine) -> None:
    result = result_of(starter)
    assert "overton.side@1" in result.prompts
    assert not {"overton.positions-behind@2", "overton.synthesis@1"} & set(result.prompts)
    check(result.window)
    assert result.window is not None and result.window.finder == "sentences"
