"""A pool while it is being put together: who is in, at which scale, with which share.

    Pool ──PoolDraft──> toggle, change_scale, set_share ──pool()──> the same Pool if nothing changed, else one ad hoc

The shares of those who are in always sum to 1. Taking one out or in scales the others, so that the proportions among
them stay; taking one out and in again changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pluralism_local.communities import Community, Member, Pool, ad_hoc_pool
from pluralism_local.errors import InvalidInput

STEP = 0.1
"""Of a scale."""

_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class _Seat:
    """A community that is or was in. `weight` is relative to the other seats'; `scale` as in `Member`."""

    community: Community
    weight: float
    scale: float | None
    taken: bool = True


class PoolDraft:
    """The members of a pool, changeable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._seats = {
            member.community.id: _Seat(member.community, member.weight, member.scale)
            for member in pool.members
        }

    def __contains__(self, id: str) -> bool:
        seat = self._seats.get(id)
        return seat is not None and seat.taken

    def __len__(self) -> int:
        return len(self._taken())

    @property
    def name(self) -> str:
        """The pool's id; with ``*`` once it was changed."""
        return self._pool.id if self.unchanged else f"{self._pool.id}*"

    @property
    def unchanged(self) -> bool:
        """Whether `pool` gives what this was begun with."""
        return len(self) > 0 and _same(self._members(), self._pool.members)

    def share(self, id: str) -> float:
        """In [0, 1]; 0 for those who are not in."""
        taken = self._taken()
        if id not in self:
            return 0.0
        total = math.fsum(seat.weight for seat in taken)
        return self._seats[id].weight / total if total > 0 else 1 / len(taken)

    def scale(self, community: Community) -> float | None:
        """Of its adapter, as it would speak in this pool; None without an adapter."""
        seat = self._seats.get(community.id)
        adapter = community.adapter_ref(seat.scale if seat and seat.taken else None)
        return adapter.scale if adapter is not None else None

    def toggle(self, community: Community) -> bool:
        """Take it in or out; returns whether it is in now. A new one gets the mean of the others' shares."""
        seat = self._seats.get(community.id)
        if seat is None:
            taken = self._taken()
            mean = math.fsum(other.weight for other in taken) / len(taken) if taken else 1.0
            self._seats[community.id] = _Seat(community, mean, None)
            return True
        self._seats[community.id] = replace(seat, taken=not seat.taken)
        return not seat.taken

    def change_scale(self, community: Community, by: float) -> float:
        """Add to its adapter's scale; returns the new one.

        Raises: InvalidInput for a community that is not in, has no adapter, or a scale out of range.
        """
        seat = self._seat(community.id)
        now = self.scale(community)
        spec = community.card.adapter
        if now is None or spec is None:
            raise InvalidInput(f"'{community.id}' has no adapter, so it has no scale.")
        scale = round(now + by, 6)
        community.adapter_ref(scale)  # refuses what is out of range
        own = None if abs(scale - spec.scale) < _SAME else scale
        self._seats[community.id] = replace(seat, scale=own)
        return scale

    def set_share(self, id: str, share: float) -> None:
        """Give one member this share, in [0, 1]; the others keep their proportions.

        Raises: InvalidInput for a community that is not in, a number out of range, or an only member.
        """
        seat = self._seat(id)
        if not 0 <= share <= 1:
            raise InvalidInput("A weight lies between 0 % and 100 %.")
        others = [other for other in self._taken() if other.community.id != id]
        if not others:
            raise InvalidInput(f"'{id}' is alone in the pool, so its weight is 100 %.")
        total = math.fsum(other.weight for other in others)
        for other in others:
            part = other.weight / total if total > 0 else 1 / len(others)
            self._seats[other.community.id] = replace(other, weight=part * (1 - share))
        self._seats[id] = replace(seat, weight=share)

    def pool(self) -> Pool:
        """What this was begun with if nothing changed; else a pool ad hoc.

        Raises: InvalidInput when nobody is in.
        """
        if not self._taken():
            raise InvalidInput("A pool needs at least one community.", "Space takes one in.")
        if self.unchanged:
            return self._pool
        members = self._members()
        plain = ad_hoc_pool([(member.community, member.scale) for member in members])
        return replace(plain, members=members)

    def require(self, id: str) -> None:
        """Raises: InvalidInput for a community that is not in."""
        if id not in self:
            raise InvalidInput(f"'{id}' is not in the pool.", "Space takes it in.")

    def _seat(self, id: str) -> _Seat:
        self.require(id)
        return self._seats[id]

    def _taken(self) -> list[_Seat]:
        return [seat for seat in self._seats.values() if seat.taken]

    def _members(self) -> tuple[Member, ...]:
        return tuple(
            Member(seat.community, self.share(seat.community.id), seat.scale) for seat in self._taken()
        )


def _same(some: tuple[Member, ...], others: tuple[Member, ...]) -> bool:
    """Whether they are the same but for rounding."""
    return len(some) == len(others) and all(
        member.community.id == other.community.id
        and member.scale == other.scale
        and abs(member.weight - other.weight) < _SAME
        for member, other in zip(some, others, strict=True)
    )
