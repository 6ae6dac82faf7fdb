"""Which responses a judge compares: a method's with those of its opponents, on the samples that all of them answered.

    samples, results by method ──make_case──> JudgeCase: [ResponsePair] by opponent

An opponent "shuffled" is the method's own responses, each from another situation: a judge who reads lets them lose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.judging import ResponsePair
from pluralism_local.evaluation.methods import METHODS
from pluralism_local.evaluation.metrics import derangement
from pluralism_local.evaluation.runner import Results
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import TASKS, Task
from pluralism_local.mode_specs import listed

SHUFFLED = "shuffled"


@dataclass(frozen=True)
class JudgeCase:
    """What is judged.

    Attributes:
        pairs: by opponent; all have as many.
        requested: samples that were asked for; some may lack an answer of a method.
    """

    a: str
    pairs: Mapping[str, Sequence[ResponsePair]]
    requested: int

    @property
    def n(self) -> int:
        """Pairs of each opponent."""
        return len(next(iter(self.pairs.values())))


def make_case(
    task: Task,
    samples: Sequence[Sample],
    results: Results,
    a: str,
    opponents: Sequence[str],
    limit: int | None,
    seed: int,
) -> JudgeCase:
    """Pairs of all samples that every method answered, the first `limit` of them.

    Raises:
        InvalidInput: a task without responses, a method that the run has no answers of, no opponent, or no sample
            that all methods answered.
    """
    if task.answers != "text":
        raise InvalidInput(
            f"This is a run of {task.name}, which has no responses to compare.",
            f"Judge a run of {listed(name for name, task in TASKS.items() if task.answers == 'text')}.",
        )
    names = list(dict.fromkeys(opponents)) or [name for name in _methods(results) if name != a]
    _check_methods(a, names, _methods(results))
    real = [name for name in names if name != SHUFFLED]
    texts = {
        name: {
            id: prediction.output or ""
            for id, prediction in results[name].items()
            if isinstance(prediction, Prediction)
        }
        for name in (a, *real)
    }
    shared = [sample for sample in samples if all(sample.id in row for row in texts.values())]
    if not shared:
        raise InvalidInput(
            "No sample was answered by all of these methods.", "Let the run go on: plocal eval resume RUN."
        )
    if SHUFFLED in names:
        texts[SHUFFLED] = _shuffled(shared, texts[a], seed)
    pairs = {
        name: [
            ResponsePair(sample.id, sample.cluster, texts[a][sample.id], texts[name][sample.id])
            for sample in shared[:limit]
        ]
        for name in names
    }
    return JudgeCase(a, pairs, len(samples[:limit]))


def _methods(results: Results) -> list[str]:
    return [name for name in METHODS if results.get(name)]


def _check_methods(a: str, opponents: Sequence[str], methods: Sequence[str]) -> None:
    others = f"It has: {', '.join(methods) or 'none'}."
    for name in (a, *(name for name in opponents if name != SHUFFLED)):
        if name not in methods:
            raise InvalidInput(f"The run has no answers of '{name}'.", others)
    if a in opponents:
        raise InvalidInput(f"'{a}' cannot be compared with itself.", "Name another method.")
    if not opponents:
        raise InvalidInput(
            f"The run has no other method to compare '{a}' with.",
            "Add one: plocal eval resume RUN --method NAME.",
        )


def _shuffled(samples: Sequence[Sample], texts: Mapping[str, str], seed: int) -> dict[str, str]:
    if len(samples) < 2:
        raise InvalidInput(
            "With a single situation there is no response to another one.", "Leave out 'shuffled'."
        )
    return {id: texts[other] for id, other in derangement([sample.id for sample in samples], seed).items()}
