"""Distributions over options, combined: d = Σ w_i d_i (Modular Pluralism §2).

    (community, w_i, d_i in each order)… ──aggregate──> Aggregate
    d in each order ──single──> Aggregate without communities (baselines)

d_i is the mean of a community's distributions over the orders of the options, each order alike; an order in which no
option had any probability is nobody's answer and left out of it. Pure arithmetic: nothing fails here but a bug.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pluralism_local.modes.orders import Weighed, order_effect
from pluralism_local.proportions import entropy_nats, total_variation
from pluralism_local.results import Aggregate
from pluralism_local.types import DistributionMethod, OptionDistribution

STAND_IN: DistributionMethod = "uniform"
"""The method of a distribution in which no option had any probability; its even shares are nobody's answer."""

NO_ESTIMATE = "none of the options had any probability, so there is no estimate"
"""What stands where a distribution would, if it is a stand-in."""

# from the strongest to the weakest
_METHODS: tuple[DistributionMethod, ...] = ("exact", "scripted", "top_logprobs", "samples", STAND_IN)


def aggregate(options: tuple[str, ...], parts: Sequence[tuple[str, float, Weighed]]) -> Aggregate:
    """Combine each community's distribution d_i with its weight w_i.

    Args:
        options: the answers' texts, one per entry of every distribution.
        parts: (community id, w_i, d_i in each order), at least one, all in the same orders; the weights sum to 1.

    Returns:
        p and unassigned mass are the weighted sums; `bounds` the weighted sums of the normalised bounds, None
        when all are exact; `method` the weakest that went in; `stand_ins` those whose d_i is one.
    """
    means = {community: _over_orders(weighed) for community, _, weighed in parts}
    return replace(
        _combined(options, [(weight, weighed) for _, weight, weighed in parts]),
        per_community={community: mean for community, (mean, _) in means.items()},
        weights={community: weight for community, weight, _ in parts},
        stand_ins=tuple(community for community, _, weighed in parts if not _answered(weighed)),
        order_effects={community: effect for community, (_, effect) in means.items() if effect is not None},
    )


def single(options: tuple[str, ...], weighed: Weighed) -> Aggregate:
    """The same shape for one distribution that no community stands behind."""
    return _combined(options, [(1.0, weighed)])


def _combined(options: tuple[str, ...], parts: Sequence[tuple[float, Weighed]]) -> Aggregate:
    every = [(weight / len(part.orders), answer) for weight, part in parts for answer in part.distributions]
    counted = [
        (weight / len(answers), answer)
        for weight, part in parts
        for answers in [_answered(part) or part.distributions]
        for answer in answers
    ]
    p = _mixed([weight for weight, _ in counted], [answer.p for _, answer in counted])
    rows = tuple(
        _mixed([weight for weight, _ in parts], [_row(part, place) for _, part in parts])
        for place in range(len(parts[0][1].orders))
    )
    asked_often = len(rows) > 1 and any(_answered(part) for _, part in parts)
    return Aggregate(
        options=options,
        p=p,
        per_community={},
        weights={},
        unassigned_mass=_unit(math.fsum(weight * answer.unassigned_mass for weight, answer in every)),
        entropy_nats=entropy_nats(p),
        method=weakest(answer.method for _, answer in counted),
        bounds=_bounds([weight for weight, _ in counted], [answer for _, answer in counted]),
        n=_drawn([answer for _, answer in every]),
        orders=parts[0][1].orders,
        by_order=rows,
        order_effect=order_effect(rows, p) if asked_often else None,
    )


def _answered(weighed: Weighed) -> list[OptionDistribution]:
    """Those of its distributions that are no stand-ins."""
    return [answer for answer in weighed.distributions if answer.method != STAND_IN]


def _over_orders(weighed: Weighed) -> tuple[tuple[float, ...], float | None]:
    """d_i, and its own order effect; None where it was not asked in several orders, or gave no answer."""
    answered = _answered(weighed)
    rows = [answer.p for answer in answered or weighed.distributions]
    mean = _mixed([1 / len(rows)] * len(rows), rows)
    return mean, order_effect(rows, mean) if answered and len(weighed.orders) > 1 else None


def _row(weighed: Weighed, place: int) -> tuple[float, ...]:
    """Its shares in one order; d_i where that order is left out of it."""
    answer = weighed.distributions[place]
    return answer.p if answer.method != STAND_IN else _over_orders(weighed)[0]


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


def is_led_by_places(aggregate: Aggregate) -> bool:
    """Whether the places of the options tell them apart more than anything else does.

    So it is where the order effect is larger than the distance of p from even shares; both are total variation.
    """
    return aggregate.order_effect is not None and aggregate.order_effect > from_even_shares(aggregate.p)


def from_even_shares(p: Sequence[float]) -> float:
    """How far p is from giving every option the same: the total variation distance, in [0, 1)."""
    return total_variation(p, [1 / len(p)] * len(p))


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
