"""How the members of a pool speak through a model that their adapters were not made for.

Community, a base's fingerprint ──made_for──> bool; ──check_base──> warnings, or Refused
Pool, a base's fingerprint ──fit_to_base──> Pool, warnings
communities whose persona speaks alone ──standing_in──> a warning, which names the pool that was made for it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pluralism_local.communities.cards import Community
from pluralism_local.communities.library import POOLS, shipped_path
from pluralism_local.communities.pools import Pool
from pluralism_local.errors import Refused

PERSONAS = "outlooks"
"""The pool that ships of personas, for models that the adapters which ship were not made for."""


def made_for(community: Community, fingerprint: str) -> bool:
    """Whether `community` has an adapter for the model with this fingerprint, or needs none.

    One whose base is known by its name alone may be for it: the engine refuses it where a shape differs.
    """
    pairs = community.card.every_adapter
    return not pairs or any(base.fingerprint in (None, fingerprint) for _, base in pairs)


def check_base(community: Community, fingerprint: str, *, force: bool = False) -> list[str]:
    """Whether `community` has an adapter for the model with this fingerprint; returns warnings, if any.

    Raises:
        Refused: all of its adapters belong to other models. With `force` that is a warning instead.
    """
    bases = [base for _, base in community.card.every_adapter]
    if any(base.fingerprint == fingerprint for base in bases):
        return []
    if not bases:
        return []
    if name := next((base.model for base in bases if base.fingerprint is None), ""):
        return [
            f"The base of '{community.id}' is known by its name, {name}, and by its shapes: not checked further."
        ]
    models = " or ".join(base.model for base in bases)
    names = " and ".join(f"{base.model} ({(base.fingerprint or '')[:19]}…)" for base in bases)
    problem = (
        f"The {'adapter' if len(bases) == 1 else 'adapters'} of '{community.id}' "
        f"{'was' if len(bases) == 1 else 'were'} made for {names}, not for this model ({fingerprint[:19]}…)"
    )
    if force:
        return [f"{problem}; that for {bases[0].model} is used because that was forced."]
    raise Refused(f"{problem}.", f"Use it with {models}, or choose another pool.")


def fit_to_base(pool: Pool, fingerprint: str, *, force: bool = False) -> tuple[Pool, list[str]]:
    """The pool as it can speak through the model with this fingerprint, and warnings.

    Of several adapters each member uses that for this base. A member whose adapters are all for other bases speaks
    through its persona, if it has one and no scale asks for an adapter. With `force` it uses its first adapter.

    Raises:
        Refused: a member has nothing but an adapter for another base.
    """
    members, warnings, stand_ins = [], [], []
    for member in pool.members:
        card = member.community.card
        can_stand_in = card.persona is not None and member.scale is None and not force
        if can_stand_in and not made_for(member.community, fingerprint):
            members.append(replace(member, community=member.community.without_adapters()))
            if not member.community.persona_suffices:
                stand_ins.append(member.community)
        else:
            warnings += check_base(member.community, fingerprint, force=force)
            members.append(replace(member, community=member.community.for_base(fingerprint)))
    if stand_ins:
        warnings.append(standing_in("Adapters of another base model", stand_ins))
    return replace(pool, members=tuple(members)), warnings


def standing_in(why: str, communities: Sequence[Community]) -> str:
    """A sentence that these speak through their persona alone, and, where their adapters ship, what else there is."""
    sentence = (
        f"{why}; through their persona alone speak: {', '.join(community.id for community in communities)}."
    )
    shipped = shipped_path()
    if shipped is None or not (shipped / POOLS / f"{PERSONAS}.yaml").is_file():
        return sentence
    if any(community.folder is not None and community.folder.parent == shipped for community in communities):
        sentence += f" The pool {PERSONAS} has personas made for such models."
    return sentence
