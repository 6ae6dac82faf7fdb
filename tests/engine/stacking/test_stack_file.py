"""Stacks on the disk: every number where it belongs, with every factor in B, or a refusal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.stacking.lora_file import LoraMatrices
from pluralism_local.engine.stacking.stack_file import ScaledAdapter, StackLayout, lay_out, write_stack
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.gguf_file import read_header

UP, DOWN = "blk.0.ffn_up.weight", "blk.1.ffn_down.weight"


@pytest.fixture(scope="module")
def base(starter_path: Path) -> GGUFHeader:
    return read_header(starter_path)


def adapter(base: GGUFHeader, out: Path, scale: float, **shape: Any) -> ScaledAdapter:
    return ScaledAdapter(read_header(write_lora(out, base_header=base, **shape)), scale)


def laid_out(base: GGUFHeader, adapters: list[ScaledAdapter]) -> StackLayout:
    layout = lay_out(base, adapters)
    assert isinstance(layout, StackLayout), layout
    return layout


def test_ranks_lie_side_by_side_with_every_factor_in_b(base: GGUFHeader, tmp_path: Path) -> None:
    """Against alpha/rank · scale by hand: 8/2 · 0.5 = 2 and 3/1 · -1 = -3; the third has no alpha: its scale alone."""
    up: dict[str, Any] = {"targets": ("ffn_up",), "layers": (0,)}
    adapters = [
        adapter(base, tmp_path / "a.gguf", 0.5, seed=1, rank=2, alpha=8.0, **up),
        adapter(base, tmp_path / "b.gguf", -1.0, seed=2, rank=1, alpha=3.0, dtype=np.float32, **up),
        adapter(
            base, tmp_path / "c.gguf", 1.5, seed=3, rank=2, alpha=0.0, targets=("ffn_down",), layers=(1,)
        ),
    ]
    layout = laid_out(base, adapters)
    assert layout.blocks == (slice(0, 2), slice(2, 3), slice(3, 5)) and not layout.half
    assert layout.targets == {UP: (576, 1536), DOWN: (1536, 576)}
    out = tmp_path / "stack.gguf"
    write_stack(out, "llama", adapters, layout)
    stacked = LoraMatrices(read_header(out), 1.0)
    for target, present in ((UP, {0: 2.0, 1: -3.0}), (DOWN, {2: 1.5})):
        a, b = stacked.matrix(f"{target}.lora_a"), stacked.matrix(f"{target}.lora_b")
        assert a is not None and b is not None
        assert (a.shape, b.shape) == ((5, layout.targets[target][0]), (layout.targets[target][1], 5))
        for number, block in enumerate(layout.blocks):
            if number not in present:
                assert not a[block].any() and not b[:, block].any()
                continue
            header = adapters[number].header
            alone = LoraMatrices(
                replace(header, metadata={**header.metadata, "adapter.lora.alpha": 0.0}), 1.0
            )
            own_a, own_b = alone.matrix(f"{target}.lora_a"), alone.matrix(f"{target}.lora_b")
            assert own_a is not None and own_b is not None
            np.testing.assert_array_equal(a[block], own_a)
            np.testing.assert_allclose(b[:, block], own_b * present[number], rtol=1e-6)


def test_a_stack_of_half_numbers_is_half_as_large(base: GGUFHeader, tmp_path: Path) -> None:
    halves = [adapter(base, tmp_path / f"{seed}.gguf", 1.0, seed=seed, rank=2) for seed in (1, 2)]
    layout = laid_out(base, halves)
    assert layout.half and layout.nbytes * 2 == replace(layout, half=False).nbytes
    write_stack(tmp_path / "stack.gguf", "llama", halves, layout)
    assert (tmp_path / "stack.gguf").stat().st_size == pytest.approx(layout.nbytes, rel=0.02)


@pytest.mark.parametrize("scale", [math.nan, math.inf, 1e9])
def test_numbers_beyond_16_bits_are_refused(base: GGUFHeader, tmp_path: Path, scale: float) -> None:
    adapters = [
        replace(adapter(base, tmp_path / f"{seed}.gguf", 1.0, seed=seed, rank=2), scale=each)
        for seed, each in ((1, 1.0), (2, scale))
    ]
    with pytest.raises(InvalidInput, match=r"2\.gguf has numbers in blk\.\d+\..* that cannot be stacked"):
        write_stack(tmp_path / "stack.gguf", "llama", adapters, laid_out(base, adapters))


def test_a_file_that_changed_or_went_is_refused(base: GGUFHeader, tmp_path: Path) -> None:
    adapted = adapter(base, tmp_path / "1.gguf", 1.0, rank=2)
    grown = replace(adapted, header=replace(adapted.header, file_bytes=adapted.header.file_bytes + 1))
    with pytest.raises(InvalidInput, match="changed while it was read"):
        write_stack(tmp_path / "stack.gguf", "llama", [grown], laid_out(base, [grown]))
    adapted.header.path.unlink()
    with pytest.raises(NotFound):
        write_stack(tmp_path / "stack.gguf", "llama", [adapted], laid_out(base, [adapted]))
