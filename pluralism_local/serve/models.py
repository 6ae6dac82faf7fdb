"""What a server offers under which name: a mode, or a mode with a pool.

"overton" ──read──> (overton, None)          "overton:cultures" ──read──> (overton, "cultures")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pluralism_local.errors import NotFound, did_you_mean
from pluralism_local.mode_specs import MODES, SPECS, ModeName


def names(pools: Sequence[str]) -> list[str]:
    """Every name there is: each mode with the server's own pool, then with each of `pools` that it can ask."""
    with_communities = [mode for mode in MODES if SPECS[mode].communities]
    return [*MODES, *(f"{mode}:{pool}" for mode in with_communities for pool in pools)]


def read(name: str, pools: Sequence[str]) -> tuple[ModeName, str | None]:
    """The mode that a name stands for, and its pool; None for the server's own.

    A pool is one of `pools` and never a path, since whoever asks may be another than whoever serves.

    Raises:
        NotFound: there is no such mode, or no such pool.
    """
    mode, colon, pool = name.strip().partition(":")
    if mode not in SPECS:
        raise NotFound(f"There is no model '{name[:80]}'.", did_you_mean(mode[:80], MODES))
    if not colon:
        return cast(ModeName, mode), None
    if not SPECS[cast(ModeName, mode)].communities:
        raise NotFound(f"There is no model '{name[:80]}'.", f"The mode {mode} asks no pool: '{mode}'.")
    if pool not in pools:
        raise NotFound(f"There is no pool '{pool[:80]}'.", did_you_mean(pool[:80], pools))
    return cast(ModeName, mode), pool
