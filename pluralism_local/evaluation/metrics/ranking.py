"""How well a number ranks what is so above what is not; the figures of scikit-learn.

    positive [samples], scores [samples] ──roc_auc | average_precision──> share in [0, 1]

Only the order of the scores counts, so that neither depends on a threshold. Equal scores are no order: a score that is
the same for all has an area of 0.5, and an average precision of the share that is so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pluralism_local.evaluation.metrics.distributions import Vector


def roc_auc(positive: Sequence[bool], scores: Vector) -> float:
    """Probability that a sample which is so has a larger score than one which is not, equal ones counted by half.

    Args:
        positive: [samples], whether each is so.
        scores: [samples], finite numbers, larger where it is held to be so.

    Returns:
        In [0, 1]; NaN where all samples are so, or none is, or a score is NaN.

    Raises:
        ValueError: of different lengths (a bug).
    """
    at_least, so = _at_thresholds(positive, scores)
    if not len(at_least) or not 0 < so[-1] < at_least[-1]:
        return math.nan
    hits = np.concatenate(([0], so))
    alarms = np.concatenate(([0], at_least - so))
    area = np.sum(np.diff(alarms) * (hits[1:] + hits[:-1])) / 2
    return float(area / (hits[-1] * alarms[-1]))


def average_precision(positive: Sequence[bool], scores: Vector) -> float:
    """Mean precision at the thresholds, each weighed by the recall that it adds: AP = Σ (R_n − R_n−1) P_n.

    Arguments and errors as `roc_auc`.

    Returns:
        In [0, 1]; NaN where no sample is so, or a score is NaN.
    """
    at_least, so = _at_thresholds(positive, scores)
    if not len(at_least) or not so[-1]:
        return math.nan
    return float(np.sum(np.diff(so, prepend=0) * so / at_least) / so[-1])


def _at_thresholds(
    positive: Sequence[bool], scores: Vector
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each different score, from the largest: samples that have at least it, and how many of them are so.

    Empty where a score is NaN, which has no place in an order.
    """
    numbers = np.asarray(scores, dtype=np.float64)
    if len(numbers) != len(positive):
        raise ValueError(f"{len(numbers)} scores for {len(positive)} samples")
    nothing = np.zeros(0, dtype=np.int64)
    if not len(numbers) or np.isnan(numbers).any():
        return nothing, nothing
    order = np.argsort(-numbers, kind="stable")
    ordered = numbers[order]
    last = np.concatenate((np.flatnonzero(np.diff(ordered)), [len(ordered) - 1]))
    return last + 1, np.cumsum(np.asarray(positive, dtype=np.int64)[order])[last]
