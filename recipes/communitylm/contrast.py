"""Training on what a community says and its neighbours do not.

    own examples, others' examples ──contrasted──> batches of half own, half others, the others' weights negative

The communities of a register write mostly alike, and an adapter that is trained on one of them learns that first: on
held-out text its neighbours' adapters do as well as its own. With the loss

    L = mean_own −log p(token)  −  λ mean_others −log p(token),     0 < λ < 1

what both sides write alike weighs 1 − λ, and what sets them apart 1 + λ. The others' part has no lower bound, so it
belongs at the end of a training (`adapter.start`), for as short as it needs; λ below 1 keeps the shared part learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from communitylm.examples import Example, schedule


def contrasted(
    own: Sequence[Example],
    others: Sequence[Example],
    *,
    share: float,
    tokens: int,
    passes: int,
    batch: int,
    seed: int,
) -> list[Example]:
    """The order of training: batches of `batch` // 2 own examples and as many of the others.

    Both sides' means are over their own tokens in the batch, so that a batch in which the others happen to be longer
    does not push the shared part down.

    Args:
        share: λ.
        tokens, passes: of the own examples, as in `schedule`; the others are repeated as needed.
        batch: even.
    """
    half = batch // 2
    mine = schedule(own, tokens=tokens, passes=passes, batch=half, seed=seed)
    theirs = schedule(others, tokens=0, passes=-(-len(mine) // len(others)), batch=half, seed=seed + 1)
    order: list[Example] = []
    for start in range(0, len(mine), half):
        part = mine[start : start + half]
        against = theirs[start : start + len(part)]
        weight = -share * sum(one.losses for one in part) / sum(one.losses for one in against)
        order += part
        order += [replace(one, weight=weight) for one in against]
    return order
