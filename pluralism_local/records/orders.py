"""The orders in which options were asked, read back from a distribution's JSON.

{"orders", "by_order", "order_effect", "order_effects"} ──orders_of──> the last fields of an Aggregate
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pluralism_local.records.parts import chance, chances, chances_by_name

AskedOrders = tuple[
    tuple[tuple[int, ...], ...], tuple[tuple[float, ...], ...], float | None, dict[str, float]
]
"""`orders`, `by_order`, `order_effect` and `order_effects` of `results.Aggregate`."""


def orders_of(part: Mapping[str, Any], length: int) -> AskedOrders:
    """What was written; nothing of it where an order is no permutation of `length` options, or has no shares."""
    written, shares = part.get("orders"), part.get("by_order")
    if not isinstance(written, list) or not isinstance(shares, list) or len(written) != len(shares):
        return (), (), None, {}
    orders = [tuple(order) for order in written if _is_permutation(order, length)]
    rows = [row for row in (chances(row, length) for row in shares) if row is not None]
    if not len(orders) == len(rows) == len(written):
        return (), (), None, {}
    effects = chances_by_name(part.get("order_effects")) or {}
    return tuple(orders), tuple(rows), chance(part.get("order_effect")), effects


def _is_permutation(order: object, length: int) -> bool:
    return (
        isinstance(order, list)
        and all(type(place) is int for place in order)
        and sorted(order) == list(range(length))
    )
