"""Scores of one method's answers, by the names that the task has for them, each with its interval.

    samples, predictions (, coverage) ──score──> Scores(metrics, parts, counts, basis)

Intervals resample questions or situations. J–S distances are with natural logarithms (scipy's default, as the released
code has it), in [0, sqrt(ln 2)]. Labels that were written are read as the released code reads them; an answer that
names none is counted as `unparsed` and is wrong, as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.basis import Basis, basis_of
from pluralism_local.evaluation.coverage import Coverage
from pluralism_local.evaluation.metrics import Estimate, WindowFigures
from pluralism_local.evaluation.metrics.coverage import THRESHOLD
from pluralism_local.evaluation.parsing import NONE
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import Task
from pluralism_local.evaluation.tasks.facts import Partition
from pluralism_local.modes.options import letters


@dataclass(frozen=True)
class Scores:
    """What a method reached on a task.

    Attributes:
        metrics: by name, over all samples.
        parts: name of a partition of the task -> part -> metric -> Estimate.
        counts: "n", and what else is counted ("n_binary", "unparsed", "empty", "n_unreasonable": questions with
            viewpoints outside their window; of a method that looks for positions "n_positions", "n_left_out", "n_marks"
            and "n_unverified").
        values: per sample, by name of those metrics that are means; for paired comparison.
        basis: what the figures rest on; None for a control that asks no model. Where it is void all metrics are NaN,
            and there are neither parts nor values.
    """

    metrics: dict[str, Estimate]
    counts: dict[str, int]
    parts: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    basis: Basis | None = None

    def flat(self) -> dict[str, float | int | None]:
        """Metric -> value, and the counts: for `--json`. NaN is None."""
        return {**{name: figure.record()["value"] for name, figure in self.metrics.items()}, **self.counts}

    def record(self) -> dict[str, Any]:
        """Everything with its intervals, JSON-ready."""
        return {
            "metrics": {name: figure.record() for name, figure in self.metrics.items()},
            "counts": self.counts,
            "parts": {
                partition: {
                    part: {name: figure.record() | {"n": figure.n} for name, figure in row.items()}
                    for part, row in rows.items()
                }
                for partition, rows in self.parts.items()
            },
        }


def score(
    task: Task,
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    *,
    coverage: Sequence[Coverage] | None = None,
    seed: int = 0,
) -> Scores:
    """Score answers; `predictions` in the order of `samples`.

    Args:
        coverage: of each response, for a task that is answered by text.
        seed: of the intervals.

    Returns:
        Without figures (see `Scores.basis`) where no answer is one.

    Raises:
        ValueError: lengths differ, or coverage is missing (a bug).
    """
    scores = _figures(task, samples, predictions, coverage, seed)
    basis = basis_of(task, predictions, empty=scores.counts.get("empty", 0))
    if not basis.void:
        return replace(scores, basis=basis)
    nothing = {
        name: Estimate(math.nan, None, None, figure.n, figure.clusters)
        for name, figure in scores.metrics.items()
    }
    return Scores(nothing, scores.counts, basis=basis)


def _figures(
    task: Task,
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    coverage: Sequence[Coverage] | None,
    seed: int,
) -> Scores:
    if len(samples) != len(predictions):
        raise ValueError(f"{len(predictions)} predictions for {len(samples)} samples")
    if task.answers == "label":
        return _labels(task, samples, predictions, seed)
    if task.answers == "distribution":
        return _distributions(task, samples, predictions, seed)
    if coverage is None or len(coverage) != len(samples):
        raise ValueError("a text is scored by its coverage")
    figures = (_windows if task.windows else _texts)(samples, coverage, seed)
    return _with_positions(figures, samples, predictions, coverage, seed)


def _texts(samples: Sequence[Sample], coverage: Sequence[Coverage], seed: int) -> Scores:
    groups = [sample.cluster for sample in samples]
    values = {
        "coverage": [response.covered for response in coverage],
        "coverage_score": [response.score for response in coverage],
        "coverage_033": [float(response.score > THRESHOLD) for response in coverage],
    }
    return Scores(
        {name: metrics.mean(row, groups, seed=seed) for name, row in values.items()},
        {"n": len(samples), "empty": sum(response.sentences == 0 for response in coverage)},
        values=values,
    )


def _with_positions(
    scores: Scores,
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    coverage: Sequence[Coverage],
    seed: int,
) -> Scores:
    """`scores` with what became of the comments' positions, where a method of the run looked for them.

    What a response states is also told by entailment, of every method alike; what it leaves out by its own check, and
    which of its marks are unverified, only of a method that looked.
    """
    positions = [prediction.positions for prediction in predictions]
    values = {
        "stated": [response.stated for response in coverage],
        "left_out": [
            math.nan if each is None else _share(each.left_out, len(each.texts)) for each in positions
        ],
        "unverified": [
            math.nan if each is None else _share(each.unverified, each.marks) for each in positions
        ],
    }
    defined = {name: row for name, row in values.items() if not all(map(math.isnan, row))}
    if not defined:
        return scores
    figures = {name: _mean_of_known(samples, row, seed) for name, row in defined.items()}
    lists = [each for each in positions if each is not None]
    counts = {
        "n_positions": sum(len(each.texts) for each in lists),
        "n_left_out": sum(each.left_out for each in lists),
        "n_marks": sum(each.marks for each in lists),
        "n_unverified": sum(each.unverified for each in lists),
    }
    return replace(
        scores,
        metrics=scores.metrics | figures,
        counts=scores.counts | (counts if lists else {}),
        values=scores.values
        | {name: row for name, row in defined.items() if figures[name].n == len(samples)},
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _mean_of_known(samples: Sequence[Sample], row: Sequence[float], seed: int) -> Estimate:
    """Over the samples where it is defined: `Estimate.n` says how many."""
    defined = [place for place, value in enumerate(row) if not math.isnan(value)]
    return metrics.mean(
        [row[place] for place in defined], [samples[place].cluster for place in defined], seed=seed
    )


def _windows(samples: Sequence[Sample], coverage: Sequence[Coverage], seed: int) -> Scores:
    """Figures of Overton windows, each over the questions where it is defined."""
    rows = [response.window for response in coverage if response.window is not None]
    if len(rows) != len(samples):
        raise ValueError("a response without the figures of its window")
    values = {name: [float(getattr(row, name)) for row in rows] for name in WindowFigures._fields}
    figures = {name: _mean_of_known(samples, row, seed) for name, row in values.items()}
    return Scores(
        figures,
        {
            "n": len(samples),
            "n_unreasonable": figures["unreasonable"].n,
            "empty": sum(response.sentences == 0 for response in coverage),
        },
        values={name: row for name, row in values.items() if figures[name].n == len(samples)},
    )


def _distributions(
    task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], seed: int
) -> Scores:
    groups = [sample.cluster for sample in samples]
    rows = [prediction.distribution or () for prediction in predictions]
    values = {
        name: [metric(sample.gold, p) for sample, p in zip(samples, rows, strict=True)]
        for name, metric in _DISTRIBUTION_METRICS.items()
    }
    figures = {name: metrics.mean(row, groups, seed=seed) for name, row in values.items()}
    parts = {}
    for partition in task.partitions:
        row = _parts(samples, values, [partition.part_of(sample) for sample in samples], seed)
        parts[partition.name] = row
        for part, estimates in row.items():
            figures |= {f"{metric}_{part}": estimates[metric] for metric in partition.beside}
        if partition.averaged:
            figures |= _averages(partition, samples, values, seed)
    return Scores(figures, {"n": len(samples)}, parts, values)


def _same_most_likely(gold: Sequence[float], p: Sequence[float]) -> float:
    return float(metrics.most_likely(gold) == metrics.most_likely(p))


def _entropy(gold: Sequence[float], p: Sequence[float]) -> float:
    del gold
    return metrics.entropy(p)


_DISTRIBUTION_METRICS: Mapping[str, Callable[[Sequence[float], Sequence[float]], float]] = {
    "js_distance": metrics.js_distance,
    "js_divergence": metrics.js_divergence,
    "total_variation": metrics.total_variation,
    "most_likely_accuracy": _same_most_likely,
    "entropy": _entropy,
    "ruled_out": metrics.ruled_out,
}
"""By name, of the gold distribution and the answer's."""


def _labels(task: Task, samples: Sequence[Sample], predictions: Sequence[Prediction], seed: int) -> Scores:
    groups = [sample.cluster for sample in samples]
    gold = [letters(len(sample.options))[metrics.most_likely(sample.gold)] for sample in samples]
    labels = [task.read_label(prediction.output or "") for prediction in predictions]
    counted = {"": [True] * len(gold)}
    if task.undecided is not None:
        counted["binary_"] = [task.undecided not in pair for pair in zip(gold, labels, strict=True)]
    figures: dict[str, Estimate] = {}
    for prefix, use in counted.items():
        a = [label for label, keep in zip(gold, use, strict=True) if keep]
        b = [label for label, keep in zip(labels, use, strict=True) if keep]
        g = [group for group, keep in zip(groups, use, strict=True) if keep]
        for name, metric in _LABEL_METRICS.items():
            figures[prefix + name] = _of_labels(metric, a, b, g, seed)
    figures |= _ranking(task, samples, gold, predictions, seed)
    counts = {"n": len(gold), "unparsed": labels.count(NONE)}
    counts |= {f"n_{prefix}"[:-1]: sum(use) for prefix, use in counted.items() if prefix}
    return Scores(
        figures,
        counts,
        values={"accuracy": [float(a == b) for a, b in zip(gold, labels, strict=True)]},
    )


def _ranking(
    task: Task, samples: Sequence[Sample], gold: Sequence[str], predictions: Sequence[Prediction], seed: int
) -> dict[str, Estimate]:
    """How well the probability of the positive label ranks the samples; nothing where one has no probabilities."""
    rows = [prediction.distribution for prediction in predictions if prediction.distribution is not None]
    if task.positive is None or not rows or len(rows) < len(samples):
        return {}
    place = letters(len(samples[0].options)).index(task.positive)
    is_so = [label == task.positive for label in gold]

    def of(metric: Callable[[Sequence[bool], Sequence[float]], float]) -> Estimate:
        return metrics.estimate(
            lambda places: metric([is_so[i] for i in places], [rows[i][place] for i in places]),
            [sample.cluster for sample in samples],
            seed=seed,
        )

    return {"roc_auc": of(metrics.roc_auc), "average_precision": of(metrics.average_precision)}


_LABEL_METRICS: Mapping[str, Callable[[Sequence[str], Sequence[str]], float]] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}


def _of_labels(
    metric: Callable[[Sequence[str], Sequence[str]], float],
    gold: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    seed: int,
) -> Estimate:
    return metrics.estimate(
        lambda places: metric([gold[i] for i in places], [labels[i] for i in places]), groups, seed=seed
    )


def _parts(
    samples: Sequence[Sample], values: Mapping[str, Sequence[float]], part: Sequence[str], seed: int
) -> dict[str, dict[str, Estimate]]:
    """Every metric on every part, parts sorted by name."""
    members: dict[str, list[int]] = {}
    for place, name in enumerate(part):
        members.setdefault(name, []).append(place)
    return {
        name: {
            metric: metrics.mean(
                [row[i] for i in members[name]], [samples[i].cluster for i in members[name]], seed=seed
            )
            for metric, row in values.items()
        }
        for name in sorted(members)
    }


def _averages(
    partition: Partition, samples: Sequence[Sample], values: Mapping[str, Sequence[float]], seed: int
) -> dict[str, Estimate]:
    """Means of the parts' means: every country or category counts alike, as in the paper's tables."""
    names = [partition.part_of(sample) for sample in samples]
    groups = [sample.cluster for sample in samples]

    def average(row: Sequence[float]) -> Callable[[Any], float]:
        def statistic(places: Any) -> float:
            sums: dict[str, list[float]] = {}
            for i in places:
                sums.setdefault(names[i], []).append(row[i])
            return math.fsum(math.fsum(part) / len(part) for part in sums.values()) / len(sums)

        return statistic

    return {
        f"{metric}_by_{partition.name}": metrics.estimate(average(values[metric]), groups, seed=seed)
        for metric in ("js_distance", "most_likely_accuracy")
    }
