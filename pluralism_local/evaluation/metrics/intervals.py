"""A figure with its interval: percentile bootstrap over clusters, 95 %.

    values [samples], groups [samples] ──mean──> Estimate
    a, b [samples], groups             ──difference──> Estimate of mean(a) − mean(b)
    any statistic of sample positions  ──estimate──> Estimate

Samples of one question or situation are not independent, so that whole clusters are drawn, with replacement, as
many as there are. The draws depend on the seed and the number of clusters alone and are made over the sorted names
of the clusters: the order of the samples changes nothing, two methods on the same clusters get the same draws, and
`mean` draws what `estimate` does. A figure that is NaN has no interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.metrics.distributions import Vector

Positions = npt.NDArray[np.int64]
Statistic = Callable[[Positions], float]
"""From positions of samples (in any order, with repeats) to a figure; NaN where it is not defined."""

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and how far chance could move it.

    Attributes:
        value: on all samples; NaN where it is not defined.
        low, high: ends of the 95 % interval; None with fewer than two clusters, if `value` is NaN, or if no resample
            gave a figure.
        n: samples.
        clusters: questions or situations.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int

    def record(self) -> dict[str, float | None]:
        """As in JSON, which has no NaN: a value that is NaN becomes None here, and only here."""
        return {
            "value": None if math.isnan(self.value) else self.value,
            "low": self.low,
            "high": self.high,
        }


def estimate(
    statistic: Statistic, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """`statistic` of all samples with its interval.

    Args:
        statistic: called with int64 positions, once with every position and then once per resample.
        groups: [samples], each sample's cluster.
        resamples: at least 1. Those where the statistic is NaN are left out.
        seed: at least 0.

    Returns:
        NaN without bounds for no samples; the statistic is not called then.

    Raises:
        InvalidInput: fewer than one resample or a negative seed.
    """
    clusters = _Clusters.of(groups)
    if not len(clusters.order):
        return Estimate(math.nan, None, None, 0, 0)
    value = float(statistic(clusters.order))
    draws = _draws(clusters.count, resamples, seed)
    return _with_bounds(value, clusters, (statistic(clusters.positions(drawn)) for drawn in draws))


def mean(values: Vector, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The mean over samples, as `estimate` would give it, but from one sum per cluster.

    A cluster weighs as many samples as it has. A NaN among the values makes the mean NaN.

    Args:
        values: [samples].
        groups, resamples, seed: as `estimate`; so are empty input and errors.

    Raises:
        ValueError: `values` and `groups` have different lengths (a bug).
    """
    numbers = [float(value) for value in values]
    if len(numbers) != len(groups):
        raise ValueError(f"{len(numbers)} values in {len(groups)} groups")
    clusters = _Clusters.of(groups)
    if not numbers:
        return Estimate(math.nan, None, None, 0, 0)
    # fsum rounds once, so that the order within a cluster leaves no trace
    sums = np.array([math.fsum(numbers[position] for position in cluster) for cluster in clusters.members()])
    sizes = clusters.sizes
    value = math.fsum(numbers) / len(numbers)
    draws = _draws(clusters.count, resamples, seed)
    if math.isnan(value) or not len(draws):
        return _with_bounds(value, clusters, iter(()))
    return _with_bounds(value, clusters, iter(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)))


def difference(
    a: Vector, b: Vector, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """mean(a) − mean(b), paired: a[i] and b[i] are two methods on sample i, and both sides get the same clusters.

    The interval says whether the methods differ, which two intervals of their own cannot. NaN, empty input and
    errors as `mean`.
    """
    differences = [float(left) - float(right) for left, right in zip(a, b, strict=True)]
    return mean(differences, groups, resamples=resamples, seed=seed)


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Samples sorted by cluster, clusters sorted by name.

    Attributes:
        order: positions [samples]; a cluster's are neighbours.
        starts, sizes: [clusters] each, where a cluster begins in `order` and how many samples it has.
    """

    order: Positions
    starts: Positions
    sizes: Positions

    @classmethod
    def of(cls, groups: Sequence[str]) -> _Clusters:
        index = {name: rank for rank, name in enumerate(sorted(set(groups)))}
        member = np.array([index[name] for name in groups], dtype=np.int64)
        sizes = np.bincount(member, minlength=len(index)).astype(np.int64)
        return cls(np.argsort(member, kind="stable").astype(np.int64), np.cumsum(sizes) - sizes, sizes)

    @property
    def count(self) -> int:
        return len(self.sizes)

    def members(self) -> list[Positions]:
        """Each cluster's samples."""
        return np.split(self.order, self.starts[1:])

    def positions(self, drawn: Positions) -> Positions:
        """The samples of the clusters `drawn`, one cluster after the other, repeats repeated."""
        sizes = self.sizes[drawn]
        before = np.cumsum(sizes) - sizes
        # within a drawn cluster: its start in `order`, plus how far into the cluster we are
        places = np.repeat(self.starts[drawn] - before, sizes) + np.arange(sizes.sum())
        positions: Positions = self.order[places]
        return positions


def _draws(clusters: int, resamples: int, seed: int) -> Positions:
    """[resamples, clusters] indices of clusters; no rows for fewer than two clusters, which cannot vary."""
    if resamples < 1:
        raise InvalidInput(
            f"The number of resamples must be at least 1, got {resamples}.", "1000 is the usual number."
        )
    if seed < 0:
        raise InvalidInput(f"The seed must be at least 0, got {seed}.")
    times = resamples if clusters > 1 else 0
    return np.random.default_rng(seed).integers(0, max(1, clusters), (times, clusters))


def _with_bounds(value: float, clusters: _Clusters, resampled: Iterator[float]) -> Estimate:
    """Bounds from the figures of the resamples, which are made only if there can be any."""
    n, count = len(clusters.order), clusters.count
    figures = (
        [] if math.isnan(value) else [figure for figure in map(float, resampled) if not math.isnan(figure)]
    )
    if not figures:
        return Estimate(value, None, None, n, count)
    low, high = np.percentile(figures, PERCENTILES)
    return Estimate(value, float(low), float(high), n, count)
