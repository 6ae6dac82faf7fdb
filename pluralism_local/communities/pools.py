"""A pool: the communities that answer together, and how much each counts.

    pools/<id>.yaml ──parse──> members ──find(card id)──> Pool(members with weights that sum to 1)

Weights are all given or none; without any they are uniform, the paper's default. They are never normalised:
weights that do not sum to 1 are a mistake that the user must see. Every fault of a pool is `InvalidInput`;
a missing file or card is `NotFound`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pluralism_local.communities.card_parts import Id, Scale
from pluralism_local.communities.cards import Community
from pluralism_local.communities.plain_text import Line, Text
from pluralism_local.communities.strict_yaml import Strict, parse, read_text, validate
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.types import AdapterRef

TOLERANCE = 1e-6
_FRACTION = re.compile(r"^\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*$")

PoolId = Annotated[str, Field(pattern=r"^[a-z0-9-]{2,64}(\+[a-z0-9-]{2,64})*$")]
"""An id, or several joined by ``+``: a pool patched with communities it lacks (Modular Pluralism §5)."""


@dataclass(frozen=True)
class Member:
    """One community of a pool.

    Attributes:
        weight: in [0, 1]; the weights of a pool sum to 1.
        scale: strength of its adapter in this pool; None: the card's own.
    """

    community: Community
    weight: float
    scale: float | None = None

    @property
    def adapter(self) -> AdapterRef | None:
        """The adapter at this member's scale; None for a community without one."""
        return self.community.adapter_ref(self.scale)


@dataclass(frozen=True)
class Pool:
    """Communities that answer together, in order, all different; of a file at least one. `path` is None if ad hoc."""

    id: str
    name: str
    members: tuple[Member, ...]
    description: str = ""
    path: Path | None = None


def _fraction(value: object) -> object:
    """``"1/6"`` as a float; anything else unchanged, for the field's own check."""
    match = _FRACTION.match(value) if isinstance(value, str) else None
    if match is None or int(match[2]) == 0:
        return value
    return float(Fraction(int(match[1]), int(match[2])))


class _MemberSpec(Strict):
    card: Id
    weight: Annotated[float, Field(ge=0), BeforeValidator(_fraction)] | None = None
    scale: Scale | None = None


class _PoolFile(Strict):
    id: PoolId | None = None
    name: Line | None = None
    description: Text = ""
    members: Annotated[tuple[_MemberSpec, ...], Field(strict=False, min_length=1)]


def load_pool(path: Path, find: Callable[[str], Community]) -> Pool:
    """Read one pool: a mapping `{id, name, description, members}`, or the list of members alone.

    Args:
        path: the YAML file; its stem is the pool's id.
        find: the community of an id; raises what makes it unusable.

    Raises:
        NotFound: no such file, or a member's card is not here.
        InvalidInput: the file is not a pool, its weights do not sum to 1 (within 1e-6), a card is named
            twice, or an adapter's scale is given for a community without one.
        Refused: a member's adapter is not the one its card describes.
    """
    data: Any = parse(read_text(path), path)
    spec = validate(_PoolFile, {"members": data} if isinstance(data, list) else data, path)
    if spec.id is not None and spec.id != path.stem:
        raise InvalidInput(
            f"{path}: the id is '{spec.id}' but the file is '{path.name}'.",
            "Make them the same, or omit it.",
        )
    _refuse_repeated([member.card for member in spec.members], f"{path}: ")
    weights = _weights([member.weight for member in spec.members], path)
    members = []
    for member, weight in zip(spec.members, weights, strict=True):
        try:
            community = find(member.card)
            community.adapter_ref(member.scale)
        except NotFound as error:
            raise NotFound(f"{path}: {error.message}", error.hint) from error
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error.message}", error.hint) from error
        members.append(Member(community, weight, member.scale))
    return Pool(path.stem, spec.name or path.stem, tuple(members), spec.description, path)


def ad_hoc_pool(specs: Sequence[tuple[Community, float | None]]) -> Pool:
    """A pool of the given communities with uniform weights; a float is the scale of the adapter.

    Raises:
        InvalidInput: none given, one given twice, or a scale for a community without an adapter.
    """
    if not specs:
        raise InvalidInput("A pool needs at least one community.", "`plocal communities ls` lists them.")
    _refuse_repeated([community.id for community, _ in specs], "")
    for community, scale in specs:
        community.adapter_ref(scale)
    weight = 1 / len(specs)
    members = tuple(Member(community, weight, scale) for community, scale in specs)
    return Pool("ad-hoc", ", ".join(community.id for community, _ in specs), members)


def _weights(weights: Sequence[float | None], path: Path) -> list[float]:
    numbers = [weight for weight in weights if weight is not None]
    if not numbers:
        return [1 / len(weights)] * len(weights)
    if len(numbers) < len(weights):
        raise InvalidInput(
            f"{path} gives {len(numbers)} of {len(weights)} weights.",
            "Give all of them one, or none.",
        )
    total = math.fsum(numbers)
    if abs(total - 1) > TOLERANCE:
        raise InvalidInput(
            f"{path}: the weights sum to {total:.9g}, not to 1.",
            'Correct them (fractions such as "1/6" are exact), or omit them all for equal weights.',
        )
    return [number / total for number in numbers]  # takes off rounding below the tolerance, nothing else


def _refuse_repeated(ids: Sequence[str], place: str) -> None:
    repeated = next((id for number, id in enumerate(ids) if id in ids[:number]), None)
    if repeated is not None:
        article = "the" if place else "The"
        raise InvalidInput(
            f"{place}{article} community '{repeated}' is named twice.", "Name each community once."
        )
