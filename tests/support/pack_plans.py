"""Plans of packs for the starter model."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.engine.packs.writer import PackAdapter, PackPlan, plan_pack
from pluralism_local.gguf_header import GGUFHeader
from tests.support.starter import ASSISTANT_HEADER

START = ASSISTANT_HEADER[0]


def planned(base: GGUFHeader, adapters: Sequence[PackAdapter]) -> PackPlan:
    plan = plan_pack(base, adapters, START)
    assert isinstance(plan, PackPlan), plan
    return plan
