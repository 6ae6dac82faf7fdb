"""Distributions over options, combined: d = Σ w_i d_i (Modular Pluralism §2).

    (community, w_i, d_i)… ──aggregate──> Aggregate
    d ──single──> Aggregate without communities (baselines)

Pure arithmetic: nothing fails here but a bug.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pluralism_local.results import Aggregate
from pluralism_local.types import DistributionMethod, OptionDistribution

STAND_IN: DistributionMethod = "uniform"
"""The method of a distribution in which no option had any probability; its even shares are nobody's answer."""

NO_ESTIMATE = "none of the options had any probability, so there is no estimate"
"""What stands where a distribution would, if it is a stand-in."""

# from the strongest to the weakest
_METHODS: tuple[DistributionMethod, ...] = ("exact", "scripted", "top_logprobs", "samples", STAND_IN)


def entropy_nats(p: Sequence[float]) -> float:
    """−Σ p ln p in nats, in [0, ln n]; 0 ln 0 is 0. NaN if any p is."""
    return math.fsum(-value * math.log(value) for value in p if value != 0)


def aggregate(options: tuple[str, ...], parts: Sequence[tuple[str, float, OptionDistribution]]) -> Aggregate:
    """Combine each community's distribution d_i with its weight w_i.

    Args:
        options: the answers' texts, one per entry of every distribution.
        parts: (community id, w_i, d_i), at least one; the weights sum to 1.

    Returns:
        p and unassigned mass are the weighted sums; `bounds` the weighted sums of the normalised bounds, None
        when all are exact; `method` the weakest that went in; `stand_ins` those whose d_i is one.
    """
    weights = [weight for _, weight, _ in parts]
    rows = [distribution.p for _, _, distribution in parts]
    p = _mixed(weights, rows)
    return Aggregate(
        options=options,
        p=p,
        per_community={community: distribution.p for community, _, distribution in parts},
        weights={community: weight for community, weight, _ in parts},
        unassigned_mass=_unit(math.fsum(weight * part.unassigned_mass for _, weight, part in parts)),
        entropy_nats=entropy_nats(p),
        method=weakest(part.method for _, _, part in parts),
        bounds=_bounds(weights, [part for _, _, part in parts]),
        stand_ins=tuple(community for community, _, part in parts if part.method == STAND_IN),
        n=_drawn([part for _, _, part in parts]),
    )


def single(options: tuple[str, ...], distribution: OptionDistribution) -> Aggregate:
    """The same shape for one distribution that no community stands behind."""
    return Aggregate(
        options=options,
        p=distribution.p,
        per_community={},
        weights={},
        unassigned_mass=distribution.unassigned_mass,
        entropy_nats=entropy_nats(distribution.p),
        method=distribution.method,
        bounds=_bounds([1.0], [distribution]),
        n=distribution.n,
    )


def weakest(methods: Iterable[DistributionMethod]) -> DistributionMethod:
    """Of at least one method."""
    return max(methods, key=_METHODS.index)


def is_stand_in(aggregate: Aggregate) -> bool:
    """Whether nothing of it comes from a model: no option had any probability, after no comment.

    Kept answers of earlier versions do not name their stand-ins; there, even shares tell.
    """
    if aggregate.method != STAND_IN or max(aggregate.p) - min(aggregate.p) > 1e-9:
        return False
    return not aggregate.stand_ins or set(aggregate.per_community) <= set(aggregate.stand_ins)


CLEAR = 0.8
"""The probability from which on a community's answer is clear."""


def unanimous(aggregate: Aggregate) -> tuple[str, float] | None:
    """The option that every community gives clearly, and the least probability that any gives it.

    None where one gives it no clear probability, or none at all, and for fewer than two communities.
    """
    rows = list(aggregate.per_community.values())
    if len(rows) < 2 or aggregate.stand_ins:
        return None
    least = [min(column) for column in zip(*rows, strict=True)]
    best = max(range(len(least)), key=least.__getitem__)
    return (aggregate.options[best], least[best]) if least[best] >= CLEAR else None


def most_probable(aggregate: Aggregate) -> str:
    """The option with the largest p; the first of equals."""
    return aggregate.options[max(range(len(aggregate.p)), key=aggregate.p.__getitem__)]


def _drawn(parts: Sequence[OptionDistribution]) -> int | None:
    """Answers that were drawn for all of them; None where none was."""
    return sum(part.n or 0 for part in parts) or None


def _mixed(weights: Sequence[float], rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Σ_i weights[i] · rows[i], column by column."""
    return tuple(
        math.fsum(weight * value for weight, value in zip(weights, column, strict=True))
        for column in zip(*rows, strict=True)
    )


def _bounds(
    weights: Sequence[float], parts: Sequence[OptionDistribution]
) -> tuple[tuple[float, float], ...] | None:
    if all(low == high for part in parts for low, high in part.bounds):
        return None
    normalised = [_normalised(part.bounds) for part in parts]
    lows = _mixed(weights, [[low for low, _ in row] for row in normalised])
    highs = _mixed(weights, [[high for _, high in row] for row in normalised])
    return tuple((_unit(low), _unit(high)) for low, high in zip(lows, highs, strict=True))


def _normalised(bounds: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """How small and how large each share can get: the others at their largest, and at their smallest."""
    shares = []
    for index, (low, high) in enumerate(bounds):
        others = [pair for position, pair in enumerate(bounds) if position != index]
        total_if_low = low + math.fsum(other_high for _, other_high in others)
        total_if_high = high + math.fsum(other_low for other_low, _ in others)
        smallest = low / total_if_low if total_if_low > 0 else 0.0
        largest = high / total_if_high if total_if_high > 0 else 1.0
        shares.append((smallest, largest))
    return shares


def _unit(value: float) -> float:
    """Within [0, 1], where rounding may have left it by an ulp."""
    return min(1.0, max(0.0, value))
