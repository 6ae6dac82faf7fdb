"""Which values of a situation a response covers, by natural language inference, in the two published ways.

    [(Sample, response)] ──pairs──> NliScorer ──> Coverage per response

    covered   the paper (App. A): a sentence (premise) entails an explanation (hypothesis), the likeliest of the classes
    score     the released code: explanation as premise, sentence as hypothesis, the largest entailment probability

Everything is scored in one call, so that equal pairs cost once and batches are full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.metrics import coverage_score, covered, sentences
from pluralism_local.evaluation.nli import LABELS, NliPair, NliScorer
from pluralism_local.evaluation.nli.base import ENTAILMENT
from pluralism_local.evaluation.samples import Sample


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one response.

    Attributes:
        covered: share of values that a sentence entails, in [0, 1].
        score: mean over values of the largest entailment probability of any sentence, in [0, 1].
        sentences: of the response.
    """

    covered: float
    score: float
    sentences: int


def cover(
    answered: Sequence[tuple[Sample, str]], scorer: NliScorer, *, should_stop: ShouldStop = never
) -> list[Coverage]:
    """The coverage of each response, in order.

    Raises:
        Cancelled, EngineFailure: as the scorer does.
    """
    split = [(sample.data["explanation"], sentences(response)) for sample, response in answered]
    cells = [(value, sentence) for values, texts in split for value in values for sentence in texts]
    pairs = [NliPair(sentence, value) for value, sentence in cells] + [
        NliPair(value, sentence) for value, sentence in cells
    ]
    scores = scorer.score(pairs, should_stop=should_stop).reshape(2, len(cells), len(LABELS))
    coverages, at = [], 0
    for values, texts in split:
        size = len(values) * len(texts)
        paper, released = scores[:, at : at + size].reshape(2, len(values), len(texts), len(LABELS))
        at += size
        entails = paper.argmax(axis=2) == ENTAILMENT
        coverages.append(Coverage(covered(entails), coverage_score(released[:, :, ENTAILMENT]), len(texts)))
    return coverages
