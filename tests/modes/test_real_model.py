"""One ask of each shape on the starter model: what the scripted engine cannot show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.modes import Ask, run
from pluralism_local.modes.options import pose
from pluralism_local.modes.orders import in_asked_order, orders_of
from pluralism_local.modes.relisting import relisted
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


CITY = "Which city should host the games, all things considered, and why would people of the others agree?"
FOUR = ("Paris, which hosted them before", "London", "Rome, where it is warm", "Oslo")


def test_the_orders_of_options_are_one_batch_over_one_prefix(engine: LlamaEngine) -> None:
    ask = Ask(CITY, "vanilla", options=FOUR, orders="rotate")
    posed = pose(CITY, FOUR)
    orders = orders_of(FOUR, "rotate")
    requests = [
        OptionRequest(ask.to_llm(relisted(posed.text, FOUR, order)), ("A", "B", "C", "D")) for order in orders
    ]

    def spent(ask: Ask) -> tuple[int, Result]:
        engine.forget()
        before = engine.stats.decoded_tokens
        result = answer(engine, ask)
        return engine.stats.decoded_tokens - before, result

    once, _ = spent(replace(ask, orders="asked"))
    decoded, result = spent(ask)
    listed = engine.count_tokens(requests[0].messages) - engine.count_tokens(ask.to_llm(CITY))
    assert decoded <= once + 3 * (listed + 8), (
        "what stands before the list is read once, the close of the prompt four times"
    )
    assert decoded < sum(engine.count_tokens(request.messages) for request in requests)

    alone = []
    for request, order in zip(requests, orders, strict=True):
        engine.forget()
        alone.append(in_asked_order(engine.distribution([request])[0], order).p)
    found = result.distribution
    assert found is not None and found.orders == orders
    for row, one in zip(found.by_order, alone, strict=True):
        assert row == pytest.approx(one, abs=2e-2)
    assert found.p == pytest.approx(
        [sum(column) / 4 for column in zip(*found.by_order, strict=True)], abs=1e-12
    )
    assert found.order_effect is not None and 0 < found.order_effect < 1
