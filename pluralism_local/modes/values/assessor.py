"""How relevant a value is to a situation, and what it does with it: steps about given pairs of both.

    (situation, Stake)… ──relevances──> P(at stake) each
                        ──valences──> how much more it supports than it opposes ──> Valence each

Both work on any pairs, of one situation or of many, and so for whoever has values already (an evaluation). They weigh,
and only where the LLM gives no probabilities they ask for a word. Equal prompts are weighed once.

An LLM is ready to find everything at stake, and some values more than others: of its log-odds of Yes those without the
situation are taken away, as those without a comment are of a stance (`positions.stances.calibrated`). Of valence only
its Yes to the contrary is taken away. What it says of a situation alone is taken away from neither: it is much of
what it knows, and of the values of one situation it changes no order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import STAND_IN, weakest
from pluralism_local.modes.steps import Step, WriteEach
from pluralism_local.modes.values.prompts import LLM, NOWHERE, ValueWordings
from pluralism_local.modes.weighing import weigh
from pluralism_local.modes.wordings import Wording
from pluralism_local.positions.stances import calibrated
from pluralism_local.types import Completion, OptionDistribution, Sampling
from pluralism_local.values.stakes import Stake, Telling, Valence

Pair = tuple[str, Stake]
"""A situation, and what may be at stake in it."""

WORD = Sampling(max_tokens=4)
"""How a choice is written where it cannot be weighed."""


@dataclass(frozen=True, slots=True)
class YesProbability:
    """The probability of yes, in [0, 1], and how it was told; a half where nothing tells."""

    p: float
    method: Telling


def relevances(pairs: Sequence[Pair], put: ValueWordings = LLM) -> Generator[Step, Any, list[YesProbability]]:
    """Whether each value is at stake in its situation, in order; a half where the situation changes nothing."""
    wordings = [put.relevance(*pair) for pair in pairs]
    alone = [put.relevance(NOWHERE, stake) for _, stake in pairs if put.calibrated]
    try:
        told = yield from weigh("values", [*wordings, *alone], put.agrees)
    except Unsupported:
        return (yield from _in_words(wordings, put))
    here, nowhere = told[: len(wordings)], told[len(wordings) :]
    return [
        YesProbability(_beyond(shares, nowhere[place] if nowhere else None), shares.method)
        for place, shares in enumerate(here)
    ]


def valences(pairs: Sequence[Pair], put: ValueWordings = LLM) -> Generator[Step, Any, list[Valence]]:
    """What each value does with its situation, in order; even shares where nothing tells."""
    wordings = [wording for pair in pairs for wording in put.valence(*pair)]
    if put.leanings is not None:
        weighed = yield from weigh("values", wordings, put.leanings)
        return [_of_shares(shares) for shares in weighed]
    try:
        told = iter((yield from weigh("values", wordings, put.agrees)))
    except Unsupported:
        words = iter((yield from _in_words(wordings, put)))
        return [_of_words(next(words).p, next(words).p) for _ in pairs]
    return [_of_odds(next(told), next(told)) for _ in pairs]


def _beyond(told: OptionDistribution, alone: OptionDistribution | None) -> float:
    """P(at stake), less what it is for the value `alone`, if that tells; a half where neither word had any."""
    if told.method == STAND_IN:
        return 0.5
    if alone is None or alone.method == STAND_IN:
        return told.p[0]
    return calibrated(told.p[0], alone.p[0])[0]


def _of_shares(shares: OptionDistribution) -> Valence:
    support, oppose, either = shares.p
    return Valence(support, oppose, either, shares.method)


def _of_odds(supports: OptionDistribution, opposes: OptionDistribution) -> Valence:
    """By the log-odds of Yes to the one less those to the other."""
    method = weakest((supports.method, opposes.method))
    if method == STAND_IN:
        return Valence(1 / 3, 1 / 3, 1 / 3, method)
    more, less = calibrated(supports.p[0], opposes.p[0])
    return Valence.of(math.log(more / less), method)


def _of_words(supports: float, opposes: float) -> Valence:
    """Either where both had the same word; even shares where neither had one."""
    if supports == opposes == 0.5:
        return Valence(1 / 3, 1 / 3, 1 / 3, "words")
    support, oppose = supports * (1 - opposes), opposes * (1 - supports)
    return Valence(support, oppose, 1 - support - oppose, "words")


def _in_words(wordings: Sequence[Wording], put: ValueWordings) -> Generator[Step, Any, list[YesProbability]]:
    """1 or 0 by the word that each reply begins with; a half for any other."""
    distinct = {wording.text: wording for wording in wordings}
    replies: Sequence[Completion] = yield WriteEach(
        "values", tuple((wording, WORD, None) for wording in distinct.values())
    )
    by_text = dict(zip(distinct, replies, strict=True))
    return [YesProbability(_p_of(by_text[wording.text].text, put.agrees), "words") for wording in wordings]


def _p_of(reply: str, agrees: tuple[str, str]) -> float:
    first = re.match(r"\W*(\w+)", reply)
    reply_word = first[1].casefold() if first else ""
    words = [agree.casefold() for agree in agrees]
    return float(reply_word == words[0]) if reply_word in words else 0.5
