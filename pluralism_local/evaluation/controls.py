"""Controls that need no model: what a method must beat to have said anything.

uniform    every option alike; a label drawn at random for each sample
majority   the label that most samples have, for every sample; of tasks that are answered by a label
shuffled   a method's own answers without their meaning: probabilities put on other options (Roadmap, App. B), a
           response taken from another situation
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from pluralism_local.evaluation.metrics import derangement, most_likely, permuted
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks import Task
from pluralism_local.modes.options import letters


def uniform(task: Task, samples: Sequence[Sample], seed: int) -> list[Prediction] | None:
    """Per sample; None for a task that is answered by text, where there is nothing uniform."""
    if task.answers == "text":
        return None
    predictions = []
    for sample in samples:
        count = len(sample.options)
        letter = None
        if task.answers == "label":
            draw = random.Random(int.from_bytes(sha256(f"{seed}\n{sample.id}".encode()).digest()))
            letter = letters(count)[int(draw.random() * count)]
        predictions.append(Prediction((1 / count,) * count, letter))
    return predictions


def majority(task: Task, samples: Sequence[Sample]) -> list[Prediction] | None:
    """Per sample; None for a task that is not answered by a label.

    Its probabilities are the labels' shares, those of a label that some samples do not have included.
    """
    if task.answers != "label":
        return None
    counts = Counter(letters(len(sample.options))[most_likely(sample.gold)] for sample in samples)
    label = max(sorted(counts), key=counts.__getitem__)
    return [
        Prediction(
            tuple(counts[letter] / len(samples) for letter in letters(len(sample.options))), output=label
        )
        for sample in samples
    ]


def shuffled(
    task: Task, samples: Sequence[Sample], predictions: Mapping[str, Prediction], seed: int
) -> list[Prediction]:
    """Per sample, from another method's `predictions` by sample id."""
    if task.answers == "text":
        other = derangement([sample.id for sample in samples], seed)
        return [Prediction(output=predictions[other[sample.id]].output) for sample in samples]
    moved_predictions = []
    for sample in samples:
        source = predictions[sample.id]
        p = source.distribution
        if p is None:  # a label in words: another sample's
            other = derangement([each.id for each in samples], seed)
            return [Prediction(output=predictions[other[each.id]].output) for each in samples]
        moved = permuted(p, seed, sample.id)
        letter = letters(len(moved))[most_likely(moved)] if task.answers == "label" else None
        if source.stand_in == 1:  # nothing moves there, and it stays nobody's answer
            letter = None
        moved_predictions.append(replace(source, distribution=moved, output=letter))
    return moved_predictions
