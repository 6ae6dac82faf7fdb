"""How the members of a pool speak through a model that their adapters were not made for.

Pool, a base's fingerprint ──fit_to_base──> Pool, warnings
communities whose persona speaks alone ──standing_in──> a warning, which names the pool that was made for it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pluralism_local.communities.cards import Community, check_base, made_for
from pluralism_local.communities.library import POOLS, shipped_path
from pluralism_local.communities.pools import Pool

PERSONAS = "outlooks"
"""The pool that ships of personas, for models that the adapters which ship were not made for."""


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
