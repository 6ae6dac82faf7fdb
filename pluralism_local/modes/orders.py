"""The options of a question in other places, so that no place decides what a model answers.

    options, "rotate" ──orders_of──> ((0, 1, 2), (1, 2, 0), (2, 0, 1))       which option stands at each place
    probabilities of the places, their order ──in_asked_order──> the same of the options
    shares in each order, their mean ──order_effect──> how much the places decided

A rotation puts every option at every place once, so that a model that goes by places alone gives even shares. Of more
than `MOST_ORDERS` options so many shifts are taken, at even distances. An ordered scale is not torn apart: it is asked
as it stands and from its other end. What points at its place ("None of the above") keeps it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pluralism_local.mode_specs import Orders
from pluralism_local.modes.scales import is_scale
from pluralism_local.proportions import total_variation
from pluralism_local.types import OptionDistribution

MOST_ORDERS = 8
"""Orders of one question at most; each costs its list of options once more."""

Order = tuple[int, ...]
"""A permutation of 0 … k − 1: the option, by its number in the question as asked, that stands at each place."""

_POINTS_AT_ITS_PLACE = re.compile(r"\b(?:the|of|these) above\b|\babove (?:all|options|answers)\b", re.I)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the LLM gives the options of one prompt.

    Attributes:
        orders: in which it was asked, the first as the question has it.
        distributions: for each order, over the options as the question has them.
    """

    orders: tuple[Order, ...]
    distributions: tuple[OptionDistribution, ...]


def orders_of(options: Sequence[str], orders: Orders) -> tuple[Order, ...]:
    """The orders to ask in, all different, the first as asked; that one alone for fewer than two options to move."""
    as_listed = tuple(range(len(options)))
    movable = [index for index in as_listed if not _POINTS_AT_ITS_PLACE.search(options[index])]
    if orders == "asked" or len(movable) < 2:
        return (as_listed,)
    if orders == "reverse" or is_scale([options[index] for index in movable]):
        arrangements = [movable, movable[::-1]]
    else:
        count = min(len(movable), MOST_ORDERS)
        shifts = [number * len(movable) // count for number in range(count)]
        arrangements = [movable[shift:] + movable[:shift] for shift in shifts]
    return tuple(_placed(as_listed, movable, arrangement) for arrangement in arrangements)


def _placed(as_listed: Order, places: Sequence[int], arrangement: Sequence[int]) -> Order:
    """`as_listed` with `arrangement` at `places`."""
    order = list(as_listed)
    for place, option in zip(places, arrangement, strict=True):
        order[place] = option
    return tuple(order)


def in_asked_order(distribution: OptionDistribution, order: Order) -> OptionDistribution:
    """Probabilities of the places in `order` as probabilities of the options as asked."""
    places = [order.index(option) for option in range(len(order))]
    return replace(
        distribution,
        p=tuple(distribution.p[place] for place in places),
        mass=tuple(distribution.mass[place] for place in places),
        bounds=tuple(distribution.bounds[place] for place in places),
    )


def order_effect(rows: Sequence[Sequence[float]], mean: Sequence[float]) -> float:
    """How much the places decide: the mean over `rows` of their total variation distance from `mean`, in [0, 1).

    Args:
        rows: the options' shares in each order, each summing to 1.
        mean: their mean.
    """
    return math.fsum(total_variation(row, mean) for row in rows) / len(rows)
