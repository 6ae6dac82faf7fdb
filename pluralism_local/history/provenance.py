"""How a turn was asked: what is kept of it beside the prompt, and what the next turn of its conversation takes over.

    Ask, Settings ──asked_with──> JSON values ── History.ask ──> StoredTurn
    Conversation ──before──> Before(mode, pool or communities with weights, attribute, system)

A pool that no file holds is kept as its communities: ``ID[:SCALE]`` each, and their weights where these differ.
Histories come from other hands, too: what is not as `asked_with` writes it counts as not said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.communities import Member, Pool
    from pluralism_local.config import Settings
    from pluralism_local.history.values import Conversation
    from pluralism_local.modes import Ask

_AD_HOC = "ad-hoc"  # the id of a pool made of single communities


@dataclass(frozen=True, slots=True)
class Before:
    """How a conversation's last turn was asked, as far as the next one is asked so too.

    Attributes:
        pool: an id or the absolute path of a file; None for a pool of single communities, or none at all.
        communities: ``ID[:SCALE]`` of a pool that no file holds.
        weights: theirs, in [0, 1]; empty for equal ones.
        attribute: of a steerable turn only.
    """

    mode: ModeName | None = None
    pool: str | None = None
    communities: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    attribute: str | None = None
    system: str | None = None


def asked_with(task: Ask, settings: Settings) -> dict[str, Any]:
    """What the history keeps beside the prompt, so that the same can be asked again; JSON values only.

    Args:
        settings: their model and pool say what the ask's were called.
    """
    members = task.pool.members if task.pool is not None else ()
    weights = [member.weight for member in members]
    apart = task.pool is not None and task.pool.path is None and not _equal(weights)
    return {
        "model": without_credentials(settings.model),
        "pool": None if task.pool is None else _name(task.pool, settings.pool),
        "communities": [_spec(member) for member in members],
        **({"weights": weights} if apart else {}),
        "system": task.system,
        "attribute": task.attribute,
        "options": list(task.options),
        "orders": task.orders,
        "seed": task.answer.seed,
        "temperature": task.answer.temperature,
        "top_p": task.answer.top_p,
        "max_tokens": task.answer.max_tokens,
    }


def before(conversation: Conversation | None) -> Before:
    """What choices left out mean in this conversation; nothing in a new one."""
    if conversation is None or not conversation.turns:
        return Before()
    last = conversation.turns[-1]
    provenance = last.asked_with
    pool = _text(provenance.get("pool"))
    single = pool in (None, _AD_HOC)
    communities = _texts(provenance.get("communities")) if single else ()
    return Before(
        mode=last.mode,
        pool=None if single else pool,
        communities=communities,
        weights=_weights(provenance, len(communities)),
        attribute=_text(provenance.get("attribute")) if SPECS[last.mode].attribute else None,
        system=_text(provenance.get("system")),
    )


def weighed(pool: Pool, weights: Sequence[float]) -> Pool:
    """`pool` with the weights of `Before`, one a member; as it is without any."""
    if not weights:
        return pool
    pairs = zip(pool.members, weights, strict=True)
    return replace(pool, members=tuple(replace(member, weight=weight) for member, weight in pairs))


def _name(pool: Pool, called: str) -> str:
    """What finds the pool again, from any folder: its id, or its file where it was `called` by that."""
    file = Path(called).expanduser().absolute()
    return str(file) if pool.path is not None and pool.path.absolute() == file else pool.id


def _spec(member: Member) -> str:
    """``ID`` or ``ID:SCALE``."""
    return member.community.id if member.scale is None else f"{member.community.id}:{member.scale!r}"


def _weights(provenance: Mapping[str, Any], count: int) -> tuple[float, ...]:
    weights = provenance.get("weights")
    if not isinstance(weights, list) or len(weights) != count:
        return ()
    numbers = tuple(float(weight) for weight in weights if type(weight) in (int, float) and 0 <= weight <= 1)
    return numbers if len(numbers) == count and math.isclose(math.fsum(numbers), 1) else ()


def _equal(weights: Sequence[float]) -> bool:
    return all(math.isclose(weight, weights[0]) for weight in weights)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()
