"""Which viewpoints a response states, by natural language inference; values of a situation in the two published ways.

    [(Sample, response)] ──pairs──> NliScorer ──> Coverage per response

    covered, window   the paper (App. A): a sentence (premise) entails a viewpoint (hypothesis), the likeliest class
    stated            a sentence entails a position of the comments, for runs that looked for these
    score             the released code: viewpoint as premise, sentence as hypothesis, the largest probability

Everything is scored in one call, so that equal pairs cost once and batches are full.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.metrics import (
    WindowFigures,
    coverage_score,
    covered,
    sentences,
    window_figures,
)
from pluralism_local.evaluation.nli import LABELS, NliPair, NliScorer
from pluralism_local.evaluation.nli.base import ENTAILMENT
from pluralism_local.evaluation.samples import Sample, Viewpoint
from pluralism_local.evaluation.tasks import Task


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one response.

    Attributes:
        covered: share of viewpoints that a sentence entails, in [0, 1].
        score: mean over viewpoints of the largest entailment probability of any sentence, in [0, 1]; NaN where the task
            has Overton windows, which only the other direction is asked for.
        sentences: of the response.
        stated: share of the positions of the sample's comments that a sentence entails, in [0, 1]; NaN where none are
            known.
        window: what it makes of the Overton window of its question; None where the task has none.
    """

    covered: float
    score: float
    sentences: int
    window: WindowFigures | None = None
    stated: float = math.nan


def cover(
    task: Task,
    answered: Sequence[tuple[Sample, str]],
    scorer: NliScorer,
    *,
    positions: Mapping[str, Sequence[str]] = MappingProxyType({}),
    should_stop: ShouldStop = never,
) -> list[Coverage]:
    """The coverage of each response, in order.

    Args:
        positions: by sample id those of its comments, where some method looked for them.

    Raises:
        Cancelled, EngineFailure: as the scorer does.
    """
    split = [(task.viewpoints(sample), sentences(response)) for sample, response in answered]
    cells = [
        (each.text, sentence) for viewpoints, texts in split for each in viewpoints for sentence in texts
    ]
    pairs = [NliPair(sentence, viewpoint) for viewpoint, sentence in cells]
    if not task.windows:
        pairs += [NliPair(viewpoint, sentence) for viewpoint, sentence in cells]
    claims = [positions.get(sample.id, ()) for sample, _ in answered]
    ways, of_viewpoints = 1 if task.windows else 2, len(pairs)
    pairs += [
        NliPair(sentence, claim)
        for listed, (_, texts) in zip(claims, split, strict=True)
        for claim in listed
        for sentence in texts
    ]
    all_scores = scorer.score(pairs, should_stop=should_stop)
    scores = all_scores[:of_viewpoints].reshape(ways, len(cells), len(LABELS))
    stated = _stated(
        all_scores[of_viewpoints:], [(len(c), len(s)) for c, (_, s) in zip(claims, split, strict=True)]
    )
    coverages, at = [], 0
    for (viewpoints, texts), share in zip(split, stated, strict=True):
        size = len(viewpoints) * len(texts)
        tables = scores[:, at : at + size].reshape(ways, len(viewpoints), len(texts), len(LABELS))
        at += size
        states = tables[0].argmax(axis=2) == ENTAILMENT
        coverages.append(
            Coverage(
                covered(states),
                math.nan if task.windows else coverage_score(tables[1, :, :, ENTAILMENT]),
                len(texts),
                _window(states, viewpoints) if task.windows else None,
                share,
            )
        )
    return coverages


def _stated(scores: npt.NDArray[np.float64], sizes: Sequence[tuple[int, int]]) -> list[float]:
    """Of each response the share of its sample's claims that a sentence entails; `sizes` are (claims, sentences)."""
    shares, at = [], 0
    for claims, texts in sizes:
        table = scores[at : at + claims * texts].reshape(claims, texts, len(LABELS))
        at += claims * texts
        shares.append(covered(table.argmax(axis=2) == ENTAILMENT) if claims else math.nan)
    return shares


def _window(states: npt.NDArray[np.bool_], viewpoints: Sequence[Viewpoint]) -> WindowFigures:
    reasonable = [each.reasonable for each in viewpoints]
    weights = [1.0 if each.weight is None else each.weight for each in viewpoints]
    return window_figures(states, reasonable, weights)
