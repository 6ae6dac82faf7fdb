"""Labels predicted for samples, compared with the gold ones; the figures of scikit-learn.

    gold, predicted [samples] ──accuracy | balanced_accuracy | macro_f1──> share in [0, 1]

An answer that could not be parsed is a label like any other that never occurs in gold: it is wrong, and its class
counts in macro F1 (Modular Pluralism's released evaluation does the same). No samples give NaN, without a warning.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of samples whose labels are equal, in [0, 1]; NaN for none.

    Raises:
        ValueError: of different lengths (a bug); so do the others here.
    """
    pairs = _pairs(gold, predicted)
    return _share(sum(count for (true, guess), count in pairs.items() if true == guess), pairs.total())


def balanced_accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean recall over the labels that occur in `gold`, in [0, 1]; NaN for no samples."""
    pairs = _pairs(gold, predicted)
    support = _margin(pairs, 0)
    return _mean([pairs[label, label] / count for label, count in support.items()])


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 = 2 tp / (2 tp + fp + fn) over the labels that occur in `gold` or in `predicted`.

    In [0, 1]; a label that occurs on one side only has F1 0 and lowers the mean. NaN for no samples.
    """
    pairs = _pairs(gold, predicted)
    support, calls = _margin(pairs, 0), _margin(pairs, 1)
    return _mean(
        [2 * pairs[label, label] / (support[label] + calls[label]) for label in support.keys() | calls.keys()]
    )


def _pairs(gold: Sequence[str], predicted: Sequence[str]) -> Counter[tuple[str, str]]:
    """(gold, predicted) -> samples: the cells of the confusion matrix that are not 0."""
    return Counter(zip(gold, predicted, strict=True))


def _margin(pairs: Counter[tuple[str, str]], side: int) -> Counter[str]:
    """Label -> samples that have it in gold (side 0) or in predicted (side 1)."""
    margin: Counter[str] = Counter()
    for pair, count in pairs.items():
        margin[pair[side]] += count
    return margin


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _mean(values: Sequence[float]) -> float:
    """fsum, since labels come in no order."""
    return _share(math.fsum(values), len(values))
