"""Keeping a pool under a name: a YAML file among the user's own pools.

    id, library ──clash──> a question to confirm, or none | InvalidInput, Refused
    Pool ──save──> <data folder>/communities/pools/<id>.yaml ──load_pool──> the named Pool

Weights are written to six places so that they sum to 1 exactly; equal ones are left out, which means the same.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pluralism_local import config
from pluralism_local.communities import Library, Pool, load_pool
from pluralism_local.communities.library import POOLS, SUFFIXES, shipped_path
from pluralism_local.communities.pools import PoolId
from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.files import write_atomic

_PARTS = 10**6
_LONGEST = 200  # characters of a file's name that every file system takes


def pools_folder() -> Path:
    """Where this user's own pools lie, whether it exists or not."""
    return config.paths().data_dir / "communities" / POOLS


def check_id(text: str) -> None:
    """Raises: InvalidInput for what cannot be a pool's id."""
    try:
        TypeAdapter(PoolId).validate_python(text)
    except ValidationError:
        raise InvalidInput(f"'{text}' is no id for a pool.", "Use a-z, 0-9 and -, two at least.") from None
    if len(text) > _LONGEST or text == "ad-hoc":
        raise InvalidInput(f"'{text[:40]}' cannot be a pool's id.", "Take another.")


def clash(id: str, library: Library) -> str:
    """What saving under this id would replace or hide, as a question; empty if nothing.

    Raises: InvalidInput for an id that cannot be one; Refused where a pool of a configured folder would hide the
        saved one.
    """
    check_id(id)
    own = pools_folder()
    if any((own / f"{id}{suffix}").exists() for suffix in SUFFIXES):
        return f"Your pool '{id}' exists. Replace it?"
    shipped = shipped_path()
    for root in reversed(library.paths):
        if not any((root / POOLS / f"{id}{suffix}").exists() for suffix in SUFFIXES):
            continue
        if root == shipped:
            return f"A pool '{id}' comes with plocal. Hide it behind yours?"
        raise Refused(f"A pool '{id}' in {root} would hide this one.", "Take another id.")
    return ""


def save(id: str, pool: Pool) -> Pool:
    """Write `pool` under `id`, over the user's own of that id; returns it as it is read back.

    Raises: InvalidInput for an id that cannot be one, or a folder that cannot be written.
    """
    check_id(id)
    own = pools_folder()
    path = next((path for suffix in SUFFIXES if (path := own / f"{id}{suffix}").exists()), own / f"{id}.yaml")
    text = yaml.safe_dump(_document(pool), sort_keys=False, allow_unicode=True, default_flow_style=None)
    try:
        write_atomic(path, text)
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror}.", "Set PLOCAL_HOME to a folder that can be."
        ) from error
    here = {member.community.id: member.community for member in pool.members}
    return load_pool(path, here.__getitem__)


def _document(pool: Pool) -> dict[str, Any]:
    weights = _six_places([member.weight for member in pool.members])
    members: list[dict[str, Any]] = []
    for member, weight in zip(pool.members, weights, strict=True):
        entry: dict[str, Any] = {"card": member.community.id}
        if weight is not None:
            entry["weight"] = weight
        if member.scale is not None:
            entry["scale"] = member.scale
        members.append(entry)
    return {"members": members}


def _six_places(weights: list[float]) -> list[float | None]:
    """The weights in millionths that sum to one, the largest remainders rounded up; Nones if all are equal."""
    if max(weights) - min(weights) < 1 / _PARTS:
        return [None] * len(weights)
    parts = [math.floor(weight * _PARTS) for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda at: parts[at] - weights[at] * _PARTS)
    for at in by_remainder[: _PARTS - sum(parts)]:
        parts[at] += 1
    return [part / _PARTS for part in parts]
