"""Communities: cards, their adapters, and pools of them. Files only; no network, no model is loaded.

    folders ──Library──> Community | Pool ──> modes (persona, adapter, weight)

`cards` reads one card (its parts are in `card_parts`), `adapter_file` checks its LoRAs, `pools` reads one pool,
`library` finds them all, `fitting` fits a pool to a model, `strict_yaml` reads YAML from strangers.
"""

from pluralism_local.communities.card_parts import (
    AdapterSource,
    AdapterSpec,
    BaseSpec,
    CardEvaluation,
    CardLimits,
    FurtherAdapter,
    Prior,
    Provenance,
)
from pluralism_local.communities.cards import (
    Card,
    Community,
    HubMetadata,
    load_community,
)
from pluralism_local.communities.fitting import check_base, fit_to_base, made_for, standing_in
from pluralism_local.communities.library import Library, Override, Problem, default_paths, shipped_path
from pluralism_local.communities.pools import Member, Pool, ad_hoc_pool, load_pool

__all__ = [
    "AdapterSource",
    "AdapterSpec",
    "BaseSpec",
    "Card",
    "CardEvaluation",
    "CardLimits",
    "Community",
    "FurtherAdapter",
    "HubMetadata",
    "Library",
    "Member",
    "Override",
    "Pool",
    "Prior",
    "Problem",
    "Provenance",
    "ad_hoc_pool",
    "check_base",
    "default_paths",
    "fit_to_base",
    "load_community",
    "load_pool",
    "made_for",
    "shipped_path",
    "standing_in",
]
