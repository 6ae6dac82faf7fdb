"""How relevant a value is to a situation, and what it does with it: steps about given pairs of both.

    (situation, Stake)… ──relevances──> P(at stake) each         ──valences──> Valence each

Both work on any pairs, of one situation or of many, and so for whoever has values already (an evaluation). They weigh,
and only where the LLM gives no probabilities they ask for a word. Equal prompts are weighed once.

An LLM is ready to find everything at stake, some values more than others, and in some situations more than in others:
of its log-odds of Yes those without the situation and those without the value are taken away, as those without a
comment are of a stance (`positions.stances.calibrated`). Valence is the mean over orders of the three leanings.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import STAND_IN, single, weakest
from pluralism_local.modes.orders import Weighed, in_asked_order, order_effect
from pluralism_local.modes.steps import Step, WriteEach
from pluralism_local.modes.values.prompts import LLM, NOTHING, NOWHERE, ValueWordings
from pluralism_local.modes.weighing import weigh
from pluralism_local.modes.wordings import Wording
from pluralism_local.positions.stances import calibrated
from pluralism_local.types import Completion, OptionDistribution, Sampling
from pluralism_local.values.stakes import LEANINGS, Stake, Telling, Valence

Pair = tuple[str, Stake]
"""A situation, and what may be at stake in it."""

WORD = Sampling(max_tokens=4)
"""How a choice is written where it cannot be weighed."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """The probability, in [0, 1], that something is at stake, and how it was told; a half where nothing tells."""

    p: float
    method: Telling


def relevances(pairs: Sequence[Pair], put: ValueWordings = LLM) -> Generator[Step, Any, list[Relevance]]:
    """Whether each value is at stake in its situation, in order; a half where the two add nothing to each other."""
    wordings = [put.relevance(situation, stake) for situation, stake in pairs]
    alone = [
        put.relevance(*pair)
        for situation, stake in pairs
        for pair in (
            (NOWHERE, stake),
            (situation, Stake(stake.kind, NOTHING)),
            (NOWHERE, Stake(stake.kind, NOTHING)),
        )
        if put.calibrated
    ]
    try:
        told = yield from weigh("values", [*wordings, *alone], put.agrees)
    except Unsupported:
        return (yield from _relevances_in_words(wordings, put))
    return [
        Relevance(
            _beyond(told[place], told[len(wordings) + 3 * place :][:3] if alone else ()), told[place].method
        )
        for place in range(len(wordings))
    ]


def valences(pairs: Sequence[Pair], put: ValueWordings = LLM) -> Generator[Step, Any, list[Valence]]:
    """What each value does with its situation, in order."""
    wordings = [put.valence(situation, stake, order) for situation, stake in pairs for order in put.orders]
    try:
        told = iter((yield from weigh("values", wordings, put.leanings)))
    except Unsupported:
        return (yield from _valences_in_words(wordings, put))
    return [
        _mean(
            Weighed(put.orders, tuple(in_asked_order(next(told), order) for order in put.orders)),
        )
        for _ in pairs
    ]


def _beyond(told: OptionDistribution, alone: Sequence[OptionDistribution]) -> float:
    """P(at stake), less what it is for the value alone and for the situation alone; a half where neither word had any.

    Args:
        alone: of the value without a situation, of the situation without a value, and of neither; empty for no less.
    """
    if told.method == STAND_IN:
        return 0.5
    if not alone or any(answer.method == STAND_IN for answer in alone):
        return told.p[0]
    value, situation, neither = (answer.p[0] for answer in alone)
    return calibrated(calibrated(told.p[0], value)[0], calibrated(situation, neither)[0])[0]


def _mean(weighed: Weighed) -> Valence:
    shares = single(LEANINGS, weighed)
    support, oppose, either = shares.p
    method = weakest(distribution.method for distribution in weighed.distributions)
    return Valence(support, oppose, either, method, shares.order_effect)


def _relevances_in_words(
    wordings: Sequence[Wording], put: ValueWordings
) -> Generator[Step, Any, list[Relevance]]:
    chosen = yield from _chosen(wordings, put.agrees)
    return [Relevance(0.5 if place is None else float(place == 0), "words") for place in chosen]


def _valences_in_words(
    wordings: Sequence[Wording], put: ValueWordings
) -> Generator[Step, Any, list[Valence]]:
    """Each order has a vote; one that names no leaning has none."""
    chosen = yield from _chosen(wordings, put.leanings)
    count = len(put.orders)
    told = []
    for begin in range(0, len(chosen), count):
        rows = []
        for order, place in zip(put.orders, chosen[begin : begin + count], strict=True):
            if place is not None:
                rows.append([float(order[place] == leaning) for leaning in range(len(LEANINGS))])
        rows = rows or [[1 / len(LEANINGS)] * len(LEANINGS)]
        support, oppose, either = mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        effect = order_effect(rows, mean) if count > 1 else None
        told.append(Valence(support, oppose, either, "words", effect))
    return told


def _chosen(wordings: Sequence[Wording], options: Sequence[str]) -> Generator[Step, Any, list[int | None]]:
    """Which option each reply begins with; None for none of them."""
    distinct = {wording.text: wording for wording in wordings}
    replies: Sequence[Completion] = yield WriteEach(
        "values", tuple((wording, WORD) for wording in distinct.values())
    )
    by_text = dict(zip(distinct, replies, strict=True))
    return [_option_of(by_text[wording.text].text, options) for wording in wordings]


def _option_of(reply: str, options: Sequence[str]) -> int | None:
    first = re.match(r"\W*(\w+)", reply)
    words = [option.casefold() for option in options]
    return words.index(first[1].casefold()) if first and first[1].casefold() in words else None
