"""Distributions over a question's options, compared.

    values from a file ──as_distribution──> p
    p, q ──js_divergence | js_distance | total_variation──> one number, 0 where they agree
    gold, p ──ruled_out──> how much of p is on what gold excludes
    p ──entropy | most_likely──> how spread out it is, where it is highest

Negative, infinite or all-zero values and sums that are not 1 are refused; a NaN gives NaN. Every question has its
own number of options, so that these take one question at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import entr, rel_entr

from pluralism_local import proportions
from pluralism_local.errors import InvalidInput

Vector = Sequence[float] | npt.NDArray[np.float64]

SUM_TOLERANCE = 1e-3
"""Published tables are rounded; a sum further from 1 than this is a mistake."""


def as_distribution(values: Vector, where: str) -> tuple[float, ...]:
    """`values` divided by their sum, which must lie within `SUM_TOLERANCE` of 1.

    Args:
        values: [options], at least one.
        where: names the values in the message, such as ``"line 3: gold_distribution"``.

    Raises:
        InvalidInput: no values; a negative, infinite or NaN one; another sum.
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise InvalidInput(f"{where}: there are no probabilities.", "Give one probability per option.")
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise InvalidInput(
            f"{where}: probabilities must be numbers of at least 0, got {_shown(numbers)}.",
            "Correct these values; a missing answer's probability is 0.",
        )
    total = math.fsum(numbers)
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidInput(
            f"{where}: probabilities must sum to 1, got {total:.6g} from {_shown(numbers)}.",
            "Divide them by their sum if they are shares or counts of the same people.",
        )
    return tuple(number / total for number in numbers)


def js_divergence(p: Vector, q: Vector, base: float | None = None) -> float:
    """Jensen–Shannon divergence ½ KL(p‖m) + ½ KL(q‖m), m = (p + q) / 2.

    Args:
        p, q: [options] each, in the same order.
        base: of the logarithm; None is e (nats), as in the released code of Modular Pluralism; the Roadmap
            (Appendix B) takes 2 (bits).

    Returns:
        In [0, ln 2] nats, or [0, 1] bits; 0 where p equals q. NaN if p or q has a NaN.

    Raises:
        InvalidInput: as `as_distribution`; a base that is not above 1.
        ValueError: p and q have different lengths (a bug).
    """
    unit = _nats_per_unit(base)
    pair = _pair(p, q)
    if pair is None:
        return math.nan
    left, right = pair
    to_middle = (
        rel_entr(2 * side, left + right) / 2 for side in (left, right)
    )  # p + q, for m itself may round to 0
    divergence = sum(map(math.fsum, to_middle)) / 2
    return min(math.log(2), max(0.0, divergence)) / unit  # rounding may leave the range by an ulp


def js_distance(p: Vector, q: Vector, base: float | None = None) -> float:
    """Jensen–Shannon distance: the square root of `js_divergence`, the published score (Modular Pluralism §4).

    In [0, √ln 2 ≈ 0.8326] with natural logarithms (`base` None), [0, 1] with base 2; a metric. The same as
    ``scipy.spatial.distance.jensenshannon``. NaN and errors as `js_divergence`.
    """
    return math.sqrt(js_divergence(p, q, base))


def total_variation(p: Vector, q: Vector) -> float:
    """½ Σ |p − q|, in [0, 1]: the probability mass that has to move. NaN and errors as `js_divergence`."""
    pair = _pair(p, q)
    if pair is None:
        return math.nan
    return proportions.total_variation(*(side.tolist() for side in pair))


def ruled_out(gold: Vector, p: Vector) -> float:
    """The probability that `p` gives to what `gold` gives none: of a clear-cut question the unreasonable side's share.

    Returns:
        In [0, 1]; 0 where `gold` rules nothing out. NaN if either has a NaN.

    Raises:
        As `js_divergence`.
    """
    pair = _pair(gold, p)
    return math.nan if pair is None else float(pair[1][pair[0] == 0].sum())


def entropy(p: Vector, base: float | None = None) -> float:
    """−Σ p log p, in [0, log(number of options)]; 0 log 0 is 0 (Modular Pluralism, Table 6).

    `base` None is e (nats), 2 bits. NaN if p has one.

    Raises:
        InvalidInput: as `js_divergence`.
    """
    unit = _nats_per_unit(base)
    if _has_nan(p):
        return math.nan
    return max(0.0, math.fsum(entr(as_distribution(p, "entropy")))) / unit


def most_likely(p: Vector) -> int:
    """Index of the largest value, the first of equals, as ``list.index(max(list))``.

    Raises:
        InvalidInput: p is empty or has a NaN; there is no index that could say so.
    """
    numbers = [float(value) for value in p]
    if not numbers or _has_nan(numbers):
        raise InvalidInput(
            f"There is no most likely option among {_shown(numbers)}.", "Leave this sample out and say so."
        )
    return numbers.index(max(numbers))


def _pair(p: Vector, q: Vector) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Both, checked and normalised; None if either has a NaN."""
    if len(p) != len(q):
        raise ValueError(f"p has {len(p)} options and q {len(q)}")
    if _has_nan(p) or _has_nan(q):
        return None
    return np.array(as_distribution(p, "first distribution")), np.array(
        as_distribution(q, "second distribution")
    )


def _has_nan(values: Vector) -> bool:
    return any(math.isnan(value) for value in values)


def _nats_per_unit(base: float | None) -> float:
    if base is None:
        return 1.0
    if not (math.isfinite(base) and base > 1):
        raise InvalidInput(
            f"The base of a logarithm must be above 1, got {base}.", "Use 2 for bits, or None for nats."
        )
    return math.log(base)


def _shown(numbers: Sequence[float]) -> str:
    """At most six of them."""
    spelled = ", ".join(f"{number:.6g}" for number in numbers[:6])
    return f"[{spelled}{', …' if len(numbers) > 6 else ''}]"
