"""The arithmetic of scores: plain sequences and arrays in, numbers out; nothing of tasks, engines or files.

    distributions   how far two distributions over options are apart
    labels          accuracy, balanced accuracy, macro F1
    ranking         how well a number ranks what is so above what is not
    sentences       a text's sentences
    coverage        what a response covers, and of what it is made, by entailment
    window          how much of an Overton window is in a response, and what else is
    agreement       judges: kappa, win rates, both orders
    intervals       a figure with its cluster bootstrap
    shuffled        the control that knows nothing

A NaN that goes in comes out as NaN, never as 0; "nothing to average" is NaN, too.
"""

from __future__ import annotations

from pluralism_local.evaluation.metrics.agreement import fleiss_kappa, outcome, two_orders
from pluralism_local.evaluation.metrics.coverage import (
    Faithfulness,
    coverage_score,
    covered,
    faithfulness,
)
from pluralism_local.evaluation.metrics.distributions import (
    as_distribution,
    entropy,
    js_distance,
    js_divergence,
    most_likely,
    ruled_out,
    total_variation,
)
from pluralism_local.evaluation.metrics.intervals import (
    Estimate,
    difference,
    estimate,
    mean,
)
from pluralism_local.evaluation.metrics.labels import accuracy, balanced_accuracy, macro_f1
from pluralism_local.evaluation.metrics.ranking import average_precision, roc_auc
from pluralism_local.evaluation.metrics.shuffled import derangement, permuted
from pluralism_local.evaluation.metrics.window import WindowFigures, window_figures
from pluralism_local.sentences import sentences

__all__ = [
    "Estimate",
    "Faithfulness",
    "WindowFigures",
    "accuracy",
    "as_distribution",
    "average_precision",
    "balanced_accuracy",
    "coverage_score",
    "covered",
    "derangement",
    "difference",
    "entropy",
    "estimate",
    "faithfulness",
    "fleiss_kappa",
    "js_distance",
    "js_divergence",
    "macro_f1",
    "mean",
    "most_likely",
    "outcome",
    "permuted",
    "roc_auc",
    "ruled_out",
    "sentences",
    "total_variation",
    "two_orders",
    "window_figures",
]
