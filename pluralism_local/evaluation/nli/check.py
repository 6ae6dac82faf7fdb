"""How good a scorer is, on labelled pairs.

    (scorer, LabelledPair…) ──check──> accuracy with its interval, confusion counts, recall of each label

The prediction is the label of the largest score, the first of equals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.nli.base import LABELS, NliScorer, parts
from pluralism_local.evaluation.nli.data import LabelledPair
from pluralism_local.proportions import interval

REPORTED = 256
"""Pairs between two reports of progress."""


def check(
    scorer: NliScorer,
    rows: Sequence[LabelledPair],
    *,
    skipped: int = 0,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score `rows` and compare.

    Args:
        skipped: records without a gold label, passed on.
        progress: told (pairs done, pairs in all) at the start and every `REPORTED` pairs.

    Returns:
        Plain values for JSON. ``accuracy``: share in [0, 1] of `n` rows with the right label, and ``interval``, its
        95 % Wilson interval; ``confusion``: gold label to predicted label to count; ``recall``: of each label, in
        [0, 1]; ``skipped``; ``truncated``: pairs newly cut in this call; ``scorer``, ``identity``. A share of nothing
        is None.

    Raises: as `NliScorer.score`.
    """
    before = scorer.truncated
    scores = np.empty((len(rows), len(LABELS)))
    # pairs of one premise stay together: scorers share its computation
    order = sorted(range(len(rows)), key=lambda place: rows[place].pair.premise)
    if progress is not None:
        progress(0, len(rows))
    for part in parts(len(rows), REPORTED):
        scores[order[part]] = scorer.score(
            [rows[place].pair for place in order[part]], should_stop=should_stop
        )
        if progress is not None:
            progress(part.stop, len(rows))
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)  # [gold, predicted]
    gold = np.array([LABELS.index(row.label) for row in rows], dtype=np.intp)
    np.add.at(counts, (gold, scores.argmax(axis=1)), 1)
    right, total = int(np.trace(counts)), len(rows)
    return {
        "scorer": scorer.name,
        "identity": scorer.identity,
        "n": total,
        "accuracy": _share(right, total),
        "interval": list(interval(right, total)) if total else None,
        "recall": {label: _share(int(counts[i, i]), int(counts[i].sum())) for i, label in enumerate(LABELS)},
        "confusion": {
            label: {predicted: int(counts[i, j]) for j, predicted in enumerate(LABELS)}
            for i, label in enumerate(LABELS)
        },
        "skipped": skipped,
        "truncated": scorer.truncated - before,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
