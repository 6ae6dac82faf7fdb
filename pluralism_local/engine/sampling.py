"""Drawing a token from logits: greedy, or temperature, then top-p, then a seeded draw.

The nucleus of a peaked distribution is small, so it is found among the tokens above a threshold instead of by
sorting the whole vocabulary: exact, and several times faster than llama.cpp's chain, which sorts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pluralism_local.errors import DamagedWeights
from pluralism_local.types import Sampling

_THRESHOLDS = (1e-3, 1e-5)
"""Shares of the largest probability above which a nucleus is looked for, before everything is sorted."""


class Sampler:
    """Draws the tokens of one sequence. The same seed and logits give the same tokens on every machine.

    Args:
        banned: tokens that are never drawn.
    """

    def __init__(self, sampling: Sampling, banned: Sequence[int] = ()) -> None:
        self._temperature, self._top_p = sampling.temperature, sampling.top_p
        self._banned = np.array(banned, dtype=np.intp)
        self._rng = np.random.Generator(np.random.PCG64(sampling.seed))

    def draw(self, logits: npt.NDArray[np.float32]) -> int:
        """The next token; `logits` [vocabulary] is left as it is.

        Raises:
            DamagedWeights: no logit is a number.
        """
        if self._banned.size:
            logits = logits.copy()
            logits[self._banned] = -np.inf
        top = int(logits.argmax())
        if not np.isfinite(logits[top]):
            raise DamagedWeights(
                "The model gave no usable next-token probabilities.", "Check it with `plocal models verify`."
            )
        if self._temperature == 0:
            return top
        # relative to the most probable token, whose weight is 1
        weights = np.exp((logits - logits[top]) / np.float32(self._temperature))
        return self._pick(weights)

    def _pick(self, weights: npt.NDArray[np.float32]) -> int:
        """Draw in proportion to `weights` within the smallest set that holds `top_p` of their sum."""
        if self._top_p == 1:
            cumulative = np.cumsum(weights, dtype=np.float64)
            return self._draw(cumulative)
        enough = self._top_p * float(weights.sum(dtype=np.float64))
        for threshold in (*_THRESHOLDS, 0.0):
            candidates = np.flatnonzero(weights >= threshold)
            held = weights[candidates].astype(np.float64)
            if held.sum() >= enough or threshold == 0:
                break
        order = np.argsort(-held, kind="stable")
        cumulative = np.cumsum(held[order])
        size = min(int(np.searchsorted(cumulative, enough)) + 1, cumulative.size)
        return int(candidates[order[self._draw(cumulative[:size])]])

    def _draw(self, cumulative: npt.NDArray[np.float64]) -> int:
        point = self._rng.random() * cumulative[-1]
        return min(int(np.searchsorted(cumulative, point, side="right")), cumulative.size - 1)
