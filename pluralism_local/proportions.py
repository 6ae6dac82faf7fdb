"""Shares: how they spread, how far apart they are, and how far chance could move those that were counted.

    count of n ──interval──> 95 % interval (Wilson's score)
    counts of strata, weights ──weighted──> the weighted share with its interval (Wilson's limits, combined)
    shares p ──entropy_nats──> how spread they are        p, q ──total_variation──> how far apart they are

The intervals hold for few trials and for shares near 0 and 1, where the bootstrap has no width. Written here rather
than taken from scipy.stats, whose import takes longer than most commands; tests compare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959963984540054  # of the normal distribution, for 95 %


def interval(count: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that `count` of `n` ≥ 1 trials had (Wilson's score)."""
    share = count / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def weighted(counts: Sequence[int], n: Sequence[int], weights: Sequence[float]) -> tuple[float, float, float]:
    """Σ w_i p_i of independent strata with p_i = counts[i] / n[i], and its 95 % interval.

    The strata's limits l_i and u_i are combined by their distances from p_i (MOVER; Zou and Donner 2008):
    low = p − √Σ w_i² (p_i − l_i)², high = p + √Σ w_i² (u_i − p_i)².

    Args:
        n: at least 1 each.
        weights: at least 0 each, sum to 1.

    Returns:
        p, low, high, in [0, 1].
    """
    shares = [count / trials for count, trials in zip(counts, n, strict=True)]
    limits = [interval(count, trials) for count, trials in zip(counts, n, strict=True)]
    p = math.fsum(weight * share for weight, share in zip(weights, shares, strict=True))
    below = math.hypot(
        *(weight * (share - low) for weight, share, (low, _) in zip(weights, shares, limits, strict=True))
    )
    above = math.hypot(
        *(weight * (high - share) for weight, share, (_, high) in zip(weights, shares, limits, strict=True))
    )
    return p, max(0.0, p - below), min(1.0, p + above)


def entropy_nats(p: Sequence[float]) -> float:
    """−Σ p ln p in nats, in [0, ln n]; 0 ln 0 is 0. NaN if any p is."""
    return math.fsum(-value * math.log(value) for value in p if value != 0)


def total_variation(p: Sequence[float], q: Sequence[float]) -> float:
    """½ Σ |p − q|, in [0, 1]: the probability that has to be moved to make one of the other. NaN if any of them is."""
    total = math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
    return 1.0 if total > 1 else total  # rounding may leave the range by an ulp
