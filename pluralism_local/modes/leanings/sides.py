"""From probabilities to sides: how far each voice is from the pool's middle, towards yes or no.

    log-odds of yes in both orders ──mean, less the voice's habit──> leaning ──less the pool's mean──> side

Both subtractions are needed: the first takes away what a persona says to any question, the second what the model holds
of this one whoever speaks. A question that the whole pool answers alike has no sides: the difference between voices
is noise there, and a side for it would be false balance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from pluralism_local.types import OptionDistribution, Side

ANSWERS = ("Yes", "No")
MARGIN = 0.05
"""Log-odds from the pool's mean within which a voice has no side."""
CLEAR = 0.8
"""Log-odds of the pool's mean, habits taken off, from which on a question counts as answered by all alike.

On a model of 1.5 billion parameters few contested questions reach it, and half of the clear-cut ones: such a model does
not know the others to be clear (recipes/LOG.md).
"""
_FIRST_WORD = re.compile(r"\W*(\w+)")
_LEAST = 1e-9
"""Stands for a probability of zero, of which the logarithm is taken."""


def log_odds(distributions: Sequence[OptionDistribution]) -> float:
    """ln(P(yes) / P(no)), the mean over distributions of `ANSWERS`; within ±21."""
    return math.fsum(
        math.log(max(it.p[0], _LEAST)) - math.log(max(it.p[1], _LEAST)) for it in distributions
    ) / len(distributions)


def taken(side: Side | None, text: str) -> Side | None:
    """The side that a comment takes whose voice was told `side`: none where it begins with the other answer."""
    first = _FIRST_WORD.match(text)
    begins = first[1].lower() if first else ""
    return None if {side, begins} == {"yes", "no"} else side


def sides(leanings: Mapping[str, float]) -> dict[str, Side]:
    """By voice the side it takes, of those that take one.

    Args:
        leanings: by voice its log-odds of yes less its habit's.
    """
    if len(leanings) < 2:
        return {}
    mean = math.fsum(leanings.values()) / len(leanings)
    if abs(mean) >= CLEAR:
        return {}
    return {
        voice: "yes" if leaning > mean else "no"
        for voice, leaning in leanings.items()
        if abs(leaning - mean) > MARGIN
    }
