"""Rules of social choice: from what every voice makes of every statement to an order of the statements.

    scores (voices × statements), weights ──welfare──> a number for each statement ──ranking──> best first

    mean      Σ w_i u_i                                       the utilitarian choice
    maxmin    min_i u_i                                       Rawls's: the voice that agrees least decides; no weights
    nash      Π u_i^w_i                                       Nash's product, as a geometric mean
    w_alpha   (Σ w_i u_i^(1-α))^(1/(1-α))                     all three: α = 0, ∞ and 1 (Roadmap §4.3)
    borda     Σ w_i (statements below + half of those level)  ranks alone
    schulze   statements beaten by strongest paths of wins    ranks alone, a Condorcet method

Here u_i in [0, 1] is voice i's probability of agreeing and w_i ≥ 0 its weight; weights sum to 1. Sums are exact to the
last bit (`math.fsum`), so that the order of the voices changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pluralism_local.agreement import Rule

Scores = Sequence[Sequence[float]]
"""A row for each voice, a column for each statement; in [0, 1]."""

ALPHAS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, math.inf)
"""The sweep, from the mean to the smallest score."""

_DIGITS = 12
"""Decimal digits beyond which two numbers are level: what rounding leaves."""


def welfare(rule: Rule, scores: Scores, weights: Sequence[float], alpha: float = 1.0) -> list[float]:
    """What `rule` makes of each statement: the larger, the better.

    In [0, 1] for mean, maxmin, nash and w_alpha; for borda and schulze from 0 to one less than there are statements.

    Args:
        weights: one for each voice, ≥ 0, summing to 1.
        alpha: for w_alpha alone, ≥ 0, also infinite.
    """
    match rule:
        case "mean":
            return _by_statement(scores, lambda column: w_alpha(column, weights, 0.0))
        case "maxmin":
            return _by_statement(scores, min)
        case "nash":
            return _by_statement(scores, lambda column: w_alpha(column, weights, 1.0))
        case "w_alpha":
            return _by_statement(scores, lambda column: w_alpha(column, weights, alpha))
        case "borda":
            return borda(scores, weights)
        case "schulze":
            return schulze(scores, weights)


def ranking(welfare_of: Sequence[float], scores: Scores) -> list[int]:
    """The statements' places, best first.

    Level ones are told apart by the voice that agrees least, then by the one that agrees least but for that one, and so
    on (leximin); those that are level in this too stay in their order.
    """
    columns = [sorted(column) for column in zip(*scores, strict=True)]

    def key(place: int) -> tuple[float, list[float]]:
        return round(welfare_of[place], _DIGITS), [round(score, _DIGITS) for score in columns[place]]

    return sorted(range(len(welfare_of)), key=key, reverse=True)


def level(first: float, second: float) -> bool:
    """Whether two welfares differ by no more than rounding."""
    return round(first, _DIGITS) == round(second, _DIGITS)


def w_alpha(utilities: Sequence[float], weights: Sequence[float], alpha: float) -> float:
    """The weighted power mean of exponent 1-α (Roadmap §4.3), in [0, 1].

    α = 1 is its limit, the geometric mean, α = ∞ the smallest utility of a voice with any weight. From α = 1 on it is
    0 as soon as such a voice has utility 0.
    """
    pairs = [(u, w) for u, w in zip(utilities, weights, strict=True) if w > 0]
    least, most = min(u for u, _ in pairs), max(u for u, _ in pairs)
    if math.isinf(alpha) or least == most or (least == 0 and alpha >= 1):
        return least
    if alpha == 1:
        mean = math.exp(math.fsum(w * math.log(u) for u, w in pairs))
    else:
        # by the utility that weighs most, so that no power overflows
        scale, power = (most if alpha < 1 else least), 1 - alpha
        mean = scale * math.fsum(w * (u / scale) ** power for u, w in pairs) ** (1 / power)
    return min(most, max(least, mean))


def borda(scores: Scores, weights: Sequence[float]) -> list[float]:
    """By statement the weighted sum of how many each voice puts below it; one on the same level counts half."""
    count = len(scores[0])
    return [
        math.fsum(
            weight * (sum(row[other] < row[place] for other in range(count)) + _level_others(row, place) / 2)
            for row, weight in zip(scores, weights, strict=True)
        )
        for place in range(count)
    ]


def _level_others(row: Sequence[float], place: int) -> int:
    return sum(other == row[place] for other in row) - 1


def schulze(scores: Scores, weights: Sequence[float]) -> list[float]:
    """By statement how many others it beats: its strongest path to them is stronger than theirs to it.

    A path is as strong as its weakest win, and a win as the weight of the voices that prefer the winner. Since beating
    is transitive, the most beating are beaten by none, and the counts are an order of Schulze's.
    """
    count = len(scores[0])
    prefer = [
        [
            math.fsum(w for row, w in zip(scores, weights, strict=True) if row[a] > row[b])
            for b in range(count)
        ]
        for a in range(count)
    ]
    strongest = [
        [prefer[a][b] if prefer[a][b] > prefer[b][a] and not level(prefer[a][b], prefer[b][a]) else 0.0
         for b in range(count)]
        for a in range(count)
    ]  # fmt: skip
    for via in range(count):
        for a in range(count):
            for b in range(count):
                if a != b:
                    strongest[a][b] = max(strongest[a][b], min(strongest[a][via], strongest[via][b]))
    return [
        float(
            sum(
                strongest[a][b] > strongest[b][a] and not level(strongest[a][b], strongest[b][a])
                for b in range(count)
                if a != b
            )
        )
        for a in range(count)
    ]


def _by_statement(scores: Scores, value: Callable[[Sequence[float]], float]) -> list[float]:
    return [value(column) for column in zip(*scores, strict=True)]
