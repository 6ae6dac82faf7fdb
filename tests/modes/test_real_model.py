"""One ask of each shape on the starter model: what the scripted engine cannot show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.modes import Ask, run
from pluralism_local.prompts import DISTRIBUTIONAL_ANSWER
from pluralism_local.results import Result
from pluralism_local.types import OptionRequest, Sampling
from tests.support.mode_asks import last, pool

POSED = "Should phones be banned in schools?\nA. Yes\nB. No\nAnswer:"
TWO = pool(("left", 0.75), ("right", 0.25))


@pytest.fixture(scope="module")
def engine(starter_path: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=1024)) as opened:
        yield opened


def answer(engine: LlamaEngine, ask: Ask) -> Result:
    return last(run(ask, llm=engine, communities=engine))


def test_distributional_is_the_weighted_sum_of_what_the_engine_gives(engine: LlamaEngine) -> None:
    ask = Ask(POSED, "distributional", TWO, comment=Sampling(temperature=1, top_p=0.9, max_tokens=12, seed=5))
    result = answer(engine, ask)
    assert [comment.usage.completion > 0 for comment in result.comments] == [True, True]
    texts = [DISTRIBUTIONAL_ANSWER.render(comment=c.text, question=POSED) for c in result.comments]
    left, right = engine.distribution([OptionRequest(ask.to_llm(text), ("A", "B")) for text in texts])
    found = result.distribution
    assert found is not None
    # decoded again in other batches, so equal within rounding only
    assert found.p == pytest.approx(
        [0.75 * a + 0.25 * b for a, b in zip(left.p, right.p, strict=True)], abs=2e-2
    )
    assert math.fsum(found.p) == pytest.approx(1, abs=1e-9)
    assert found.method == "exact"
    assert found.bounds is None


def test_steerable_chooses_by_probability_and_answers(engine: LlamaEngine) -> None:
    short = Sampling(temperature=1, top_p=0.9, max_tokens=12)
    ask = Ask(
        "Ban phones?", "steerable", TWO, attribute="honesty", comment=short, answer=Sampling(max_tokens=8)
    )
    result = answer(engine, ask)
    assert result.selection is not None
    assert result.selection.method == "probabilities"
    assert result.selection.probabilities is not None
    assert math.fsum(result.selection.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert result.answer
    assert result.usage["llm"].completion <= 8
