"""Two hundred asks in a row: memory stays, nothing is loaded again."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from tests.support.llama_requests import ask, letters, run
from tests.support.starter import MakeRef

WARM_UP = 60
"""Rounds until the allocator's pools have their size: kept sequences come and go in all sizes."""


def resident_kb() -> int:
    """Resident memory after the allocator gave back what it merely holds (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError("no VmRSS")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from /proc")
def test_two_hundred_asks_do_not_grow_memory(starter_path: Path, make_ref: MakeRef) -> None:
    """Adapters apart and stacked, kept sequences, distributions and cancelled calls, in turn."""
    options = LlamaOptions(threads=1, lanes=2, cache_bytes=16 * 2**20)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:

        def one(turn: int) -> None:
            activated = [make_ref(seed, activation="assistant") for seed in range(3)]
            text = f"Question number {turn}."
            run(
                engine, [ask(text, ref, tokens=4, temperature=1.0, seed=turn, keep=True) for ref in activated]
            )
            run(engine, [ask(text, make_ref(5), tokens=2), ask(text, tokens=2)])
            engine.distribution([letters(f"{text}\nA. Yes\nB. No\nC. Maybe\nD. Never")])
            events = engine.generate([ask(text, tokens=50)])
            next(events)
            events.close()

        for turn in range(WARM_UP):
            one(turn)
        stats, resident = engine.stats, list[int]()
        for turn in range(WARM_UP, WARM_UP + 200):
            one(turn)
            if turn % 10 == 0:
                resident.append(resident_kb())
        after = engine.stats
        # of many readings the least: where other tests left a large heap, single ones go up and down by as much
        assert min(resident[10:]) - min(resident[:10]) < 8 * 1024
        assert (after.model_loads, after.stack_loads) == (stats.model_loads, stats.stack_loads) == (1, 1)
        assert after.adapter_loads == stats.adapter_loads == 1
