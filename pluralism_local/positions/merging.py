"""Which texts say the same: those that entail each other.

    agrees [n, n] ──clusters──> groups of places, each led by its first text

A text joins the first group whose leader it agrees with. That is no closure over all: the second text of a group may
say a little else than the third, but every text says what its leader says.
"""

from __future__ import annotations

from collections.abc import Callable


def clusters(count: int, agrees: Callable[[int, int], bool]) -> list[list[int]]:
    """Groups of the places 0 … count - 1, each in order, the groups in the order of their leaders.

    Args:
        agrees: whether the texts at two places, the smaller one first, say the same.
    """
    groups: list[list[int]] = []
    for place in range(count):
        for group in groups:
            if agrees(group[0], place):
                group.append(place)
                break
        else:
            groups.append([place])
    return groups
