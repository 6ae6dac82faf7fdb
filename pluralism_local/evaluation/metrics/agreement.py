"""Judges: how far they agree, and what they say of pairs of responses (Modular Pluralism §4).

    answers to (a, b) and (b, a) ──two_orders──> JudgeChoice ──outcome──> PairOutcome of a
    counts [items, categories] ──fleiss_kappa──> agreement beyond chance (published for humans: 0.4678)

Unknown words are bugs (ValueError); items with unequal numbers of judges are refused.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from pluralism_local.errors import InvalidInput

JudgeChoice = Literal["1", "2", "tie"]
PairOutcome = Literal["win", "tie", "lose"]

_OTHER_WAY_ROUND: dict[str, JudgeChoice] = {"1": "2", "2": "1", "tie": "tie"}
_OUTCOMES: dict[str, PairOutcome] = {"1": "win", "2": "lose", "tie": "tie"}


def fleiss_kappa(counts: npt.ArrayLike) -> float:
    """Fleiss' kappa (1971): (P̄ − P̄e) / (1 − P̄e).

    P̄ is the mean over items of the share of pairs of judges who agree, P̄e the sum of squared shares of the
    categories.

    Args:
        counts: [items, categories], how many judges put the item into the category; the same number of judges for
            every item.

    Returns:
        At most 1 (all agree); 0 is what chance gives; negative below chance. NaN where it is not defined: no items,
        a single judge, all judgements in one category (expected agreement 1), or a NaN among the counts.

    Raises:
        InvalidInput: unequal numbers of judges, or counts that are not whole numbers of at least 0.
        ValueError: not a table (a bug).
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"a table [items, categories] is needed, got shape {table.shape}")
    if table.size == 0 or np.isnan(table).any():
        return math.nan
    judges = _judges(table)
    if judges < 2:
        return math.nan
    shares = table.sum(axis=0) / table.sum()
    expected = float(np.sum(shares**2))
    if np.count_nonzero(shares) == 1:
        return math.nan
    agreeing = np.sum(table * (table - 1), axis=1) / (judges * (judges - 1))
    return (float(np.mean(agreeing)) - expected) / (1 - expected)


def two_orders(first: str, second: str) -> JudgeChoice:
    """A judge's verdict when asked twice, which takes out the preference for a position.

    Args:
        first: ``"1"``, ``"2"`` or ``"tie"``, asked about (a, b).
        second: the same words, asked about (b, a): there ``"1"`` is b.

    Returns:
        In the order (a, b): ``"1"`` or ``"2"`` where both answers mean the same response, else ``"tie"``.

    Raises:
        ValueError: another word (a bug).
    """
    for answer in (first, second):
        if answer not in _OTHER_WAY_ROUND:
            raise ValueError(f"not a choice: {answer!r}")
    verdict = _OTHER_WAY_ROUND[second]
    return verdict if verdict == first else "tie"


def outcome(choice: JudgeChoice) -> PairOutcome:
    """What a verdict on (a, b) means for a: ``"1"`` is a win of a."""
    return _OUTCOMES[choice]


def _judges(table: npt.NDArray[np.float64]) -> int:
    """The number of judges of every item."""
    if np.any(table < 0) or np.any(table != np.floor(table)):
        raise InvalidInput(
            "Judges must be counted in whole numbers of at least 0.", "Give counts, not shares."
        )
    totals = table.sum(axis=1)
    if np.any(totals != totals[0]):
        raise InvalidInput(
            f"Fleiss' kappa needs the same number of judges for every item, got {int(totals.min())} to "
            f"{int(totals.max())}.",
            "Leave out the items that some judges did not answer.",
        )
    return int(totals[0])
