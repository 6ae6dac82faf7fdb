"""What a run found: scores of every method on the samples that all of them answered, what they cost, what is missing.

    samples, results by method (, coverage) ──summarise──> RunSummary ──record──> results.json
                                                             └──difference──> paired, with its interval

A sample that a method failed on is neither wrong nor forgotten: it is left out for all methods alike, and counted.
A method that failed on all of them is left out itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation import controls, metrics
from pluralism_local.evaluation.basis import remarks, void
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.coverage import Coverage
from pluralism_local.evaluation.methods import CONTROLS
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.runner import Results
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.scoring import Scores, score
from pluralism_local.evaluation.tasks import Task

SCHEMA = "plocal.eval.results/1"

Cover = Callable[[Sequence[tuple[Sample, str]]], list[Coverage]]
"""Coverage of responses, for tasks that are answered by text."""


@dataclass(frozen=True)
class RunSummary:
    """Attributes:
    samples: those that every method answered; `n` of them were scored.
    wanted: samples of the run.
    failed: method -> samples on which it failed.
    missing: method -> samples it has not come to yet.
    methods: method or control -> scores.
    cost: method -> role -> tokens per sample, by kind ("prompt", "reused", "completion").
    seed: of the intervals.
    scorer: what judged entailment; None where nothing was.
    """

    task: str
    samples: tuple[Sample, ...]
    requested: int
    failed: dict[str, int]
    missing: dict[str, int]
    methods: dict[str, Scores]
    cost: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    seed: int = 0
    scorer: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every method answered every sample."""
        return not any((*self.failed.values(), *self.missing.values()))

    @property
    def bases(self) -> dict[str, dict[str, Any]]:
        """Method -> what its figures rest on; of those that asked a model."""
        return {
            name: scores.basis.record() for name, scores in self.methods.items() if scores.basis is not None
        }

    @property
    def void(self) -> list[str]:
        """Methods without a score, since none of their answers is one."""
        return void(self.bases)

    @property
    def differences(self) -> dict[str, dict[str, Estimate]]:
        """Each other method -> metric, of those that are means -> the `leading` one's minus its own, paired."""
        first = leading(list(self.methods))
        return {
            name: self.difference(first, name) for name in self.methods if first is not None and name != first
        }

    def record(self, identity: Mapping[str, Any], run: str) -> dict[str, Any]:
        """As in results.json."""
        return {
            "schema": SCHEMA,
            "run": run,
            "task": self.task,
            "model": identity["llm"],
            "communities_model": identity["communities_model"],
            "pool": identity["pool"],
            "n": len(self.samples),
            "wanted": self.requested,
            "failed": self.failed,
            "missing": self.missing,
            "methods": {
                name: scores.record()["metrics"] | {"counts": scores.counts}
                for name, scores in self.methods.items()
            },
            "parts": {
                name: scores.record()["parts"] for name, scores in self.methods.items() if scores.parts
            },
            "differences": {
                "of": leading(list(self.methods)),
                "minus": {
                    name: {metric: figure.record() for metric, figure in row.items()}
                    for name, row in self.differences.items()
                },
            },
            "basis": self.bases,
            "remarks": remarks(self.task, self.bases),
            "scorer": self.scorer,
            "cost": self.cost,
            "identity": dict(identity),
        }

    def difference(self, a: str, b: str) -> dict[str, Estimate]:
        """Metric -> a − b, paired over samples; of the metrics that are means. Empty if either has no score.

        Raises:
            InvalidInput: a method that was not run.
        """
        for name in (a, b):
            if name not in self.methods:
                raise InvalidInput(f"The run has no method '{name}'.", f"It has: {', '.join(self.methods)}.")
        groups = [sample.cluster for sample in self.samples]
        left, right = self.methods[a].values, self.methods[b].values
        return {
            name: metrics.difference(left[name], right[name], groups, seed=self.seed)
            for name in left
            if name in right
        }


def summarise(
    task: Task,
    samples: Sequence[Sample],
    results: Results,
    methods: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    *,
    cover: Cover | None = None,
    seed: int = 0,
) -> RunSummary:
    """Score what is there.

    Args:
        methods: those to show, controls included; `shuffled` is made of the `leading` one.
        records: of the journal, for the cost.
        cover: needed where answers are text.
        seed: of controls and intervals.

    Raises:
        InvalidInput: no sample was answered by every method, but for those that failed on all.
    """
    real = [name for name in methods if name not in CONTROLS]
    failed = {
        name: sum(isinstance(results.get(name, {}).get(sample.id), RequestFailure) for sample in samples)
        for name in real
    }
    missing = {name: sum(sample.id not in results.get(name, {}) for sample in samples) for name in real}
    hopeless = {name for name in real if failed[name] == len(samples)}
    if hopeless != set(real):
        real = [name for name in real if name not in hopeless]
        methods = [name for name in methods if name not in hopeless]
    shared = [
        sample
        for sample in samples
        if all(isinstance(results.get(name, {}).get(sample.id), Prediction) for name in real)
    ]
    if not shared:
        raise InvalidInput(
            "No sample was answered by every method, so there is nothing to compare.",
            "Let the run go on, or choose fewer methods with --method.",
        )
    answers = {name: _answers(results[name], shared) for name in real}
    predicted = {
        name: predictions
        for name in methods
        if (predictions := _predictions(task, name, shared, answers, seed)) is not None
    }
    coverage = _coverage(shared, predicted, cover) if task.answers == "text" and cover is not None else {}
    scored = {
        name: score(task, shared, predictions, coverage=coverage.get(name), seed=seed)
        for name, predictions in predicted.items()
    }
    if "uniform" in scored:
        scored["uniform"] = replace(_with_chance(scored["uniform"], shared, seed), basis=None)
    if "majority" in scored:
        scored["majority"] = replace(scored["majority"], basis=None)
    return RunSummary(
        task.name, tuple(shared), len(samples), failed, missing, scored, _costs(records, real, shared), seed
    )


def leading(methods: Sequence[str]) -> str | None:
    """The method that others are compared with: "ours", else the first that is no control; None without one."""
    candidates = [name for name in methods if name not in CONTROLS]
    return "ours" if "ours" in candidates else next(iter(candidates), None)


def failures(results: Results, methods: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Method -> on how many samples it failed, and what the first failure said; of those that did."""
    messages_of = {
        name: [
            answer.message for answer in results.get(name, {}).values() if isinstance(answer, RequestFailure)
        ]
        for name in methods
    }
    return {name: (len(messages), messages[0]) for name, messages in messages_of.items() if messages}


def _predictions(
    task: Task,
    name: str,
    samples: Sequence[Sample],
    answers: Mapping[str, Mapping[str, Prediction]],
    seed: int,
) -> list[Prediction] | None:
    if name == "uniform":
        return controls.uniform(task, samples, seed)
    if name == "majority":
        return controls.majority(task, samples)
    if name == "shuffled":
        source = leading(list(answers))
        return None if source is None else controls.shuffled(task, samples, answers[source], seed)
    return [answers[name][sample.id] for sample in samples]


def _coverage(
    samples: Sequence[Sample], predicted: Mapping[str, Sequence[Prediction]], cover: Cover
) -> dict[str, list[Coverage]]:
    """Method -> coverage per sample; of all methods in one call, which then knows how much there is to do."""
    answered = [
        (sample, prediction.output or "")
        for predictions in predicted.values()
        for sample, prediction in zip(samples, predictions, strict=True)
    ]
    covered, count = cover(answered), len(samples)
    return {name: covered[at * count : (at + 1) * count] for at, name in enumerate(predicted)}


def _answers(
    answers: Mapping[str, Prediction | RequestFailure], samples: Sequence[Sample]
) -> dict[str, Prediction]:
    return {sample.id: answer for sample in samples if isinstance(answer := answers[sample.id], Prediction)}


def _with_chance(scores: Scores, samples: Sequence[Sample], seed: int) -> Scores:
    """All options are equally likely, and the first of equals is no guess: chance is one in their number."""
    if "most_likely_accuracy" not in scores.values:
        return scores
    chance = [1 / len(sample.options) for sample in samples]
    groups = [sample.cluster for sample in samples]
    accuracy = metrics.mean(chance, groups, seed=seed)
    others = {
        name: figure
        for name, figure in scores.metrics.items()
        if not name.startswith("most_likely_accuracy_by")
    }
    return Scores(
        others | {"most_likely_accuracy": accuracy},
        scores.counts,
        {
            partition: {part: _without_guess(row) for part, row in rows.items()}
            for partition, rows in scores.parts.items()
        },
        scores.values | {"most_likely_accuracy": chance},
    )


def _without_guess(row: dict[str, Estimate]) -> dict[str, Estimate]:
    return {name: figure for name, figure in row.items() if name != "most_likely_accuracy"}


def _costs(
    records: Sequence[Mapping[str, Any]], methods: Sequence[str], samples: Sequence[Sample]
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean tokens per sample."""
    ids = {sample.id for sample in samples}
    usage = {
        (record["method"], record["id"]): record.get("usage", {}) for record in records if record["id"] in ids
    }
    costs: dict[str, dict[str, dict[str, float]]] = {}
    for method in methods:
        total: dict[str, dict[str, float]] = {}
        for (name, _), spent in usage.items():
            if name != method:
                continue
            for role, kinds in spent.items():
                for kind, tokens in kinds.items():
                    row = total.setdefault(role, {})
                    row[kind] = row.get(kind, 0.0) + tokens / len(ids)
        costs[method] = {
            role: {kind: round(tokens, 1) for kind, tokens in row.items()} for role, row in total.items()
        }
    return costs
