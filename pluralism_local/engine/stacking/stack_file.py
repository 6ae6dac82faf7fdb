"""Several LoRA files as one: their ranks side by side, every factor of their updates in B.

    base header, adapters ──lay_out──> StackLayout | why there can be none
    StackLayout ──write_stack──> one LoRA file in which adapter i has the ranks `blocks[i]`

With A = the rows of all A_i and B = the columns of all B_i·scale_i·alpha_i/r_i, the blocks of A·x that are not an
adapter's own set to zero (see `mask`), B·(A·x) is that adapter's update. Where an adapter leaves a target alone, or has
fewer ranks there, its block is filled up with zeros. Only headers are read for the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from pluralism_local.engine.stacking.lora_file import BF16, F16, F32, LoraMatrices, Matrix
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.adapter_rules import A, B, check_lora

LARGEST_SHARE, ALWAYS_FINE = 1 / 4, 64 * 10**6
"""Bytes of a stack at most: this share of its base's file, or so many where that is more. A larger one would cost as
much time as it saves, and memory."""


@dataclass(frozen=True, slots=True)
class ScaledAdapter:
    """The header of a LoRA's file, and the factor on its update, beside its own alpha/rank."""

    header: GGUFHeader
    scale: float


@dataclass(frozen=True, slots=True)
class StackLayout:
    """What a stack will be.

    Attributes:
        targets: names of the matrices that any adapter changes, with their shapes (in, out).
        blocks: of each adapter, in their order, its ranks in the stack.
        half: whether the numbers are stored in 16 bits, as all of the adapters' are.
    """

    targets: dict[str, tuple[int, int]]
    blocks: tuple[slice, ...]
    half: bool

    @property
    def rank(self) -> int:
        """Of the whole stack."""
        return int(self.blocks[-1].stop)

    @property
    def nbytes(self) -> int:
        """Bytes of its matrices."""
        return (2 if self.half else 4) * self.rank * sum(map(sum, self.targets.values()))


def lay_out(base: GGUFHeader, adapters: Sequence[ScaledAdapter]) -> StackLayout | str:
    """The layout of a stack, or the reason why there can be none, as a clause.

    Raises:
        InvalidInput: an adapter is no LoRA.
    """
    targets: dict[str, tuple[int, int]] = {}
    blocks: list[slice] = []
    types: set[int] = set()
    for adapter in adapters:
        pairs = check_lora(adapter.header)
        for target, a, b in pairs:
            if not target.startswith("blk."):
                return f"{adapter.header.path.name} changes {target}, which has rows of its own order"
            targets[target] = (a.shape[0], b.shape[1])
            types |= {a.type, b.type}
        begin = blocks[-1].stop if blocks else 0
        blocks.append(slice(begin, begin + max(b.shape[0] for _, _, b in pairs)))
    if types - {F32, F16, BF16}:
        return "an adapter's matrices are quantized"
    layout = StackLayout(targets, tuple(blocks), types == {F16})
    most = max(ALWAYS_FINE, int(base.file_bytes * LARGEST_SHARE))
    if layout.nbytes > most:
        return f"together the adapters take {layout.nbytes / 1e6:,.0f} MB, beyond {most / 1e6:,.0f}"
    return layout


def write_stack(out: Path, architecture: str, adapters: Sequence[ScaledAdapter], layout: StackLayout) -> None:
    """Write the stack that `lay_out` laid out for the same adapters; one matrix at a time is in memory.

    Raises:
        NotFound: an adapter is gone.
        InvalidInput: one changed, or has numbers that are infinite or no numbers.
        OSError: the file cannot be written.
    """
    loras = [LoraMatrices(adapter.header, adapter.scale) for adapter in adapters]
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 0.0)  # then nothing is divided by the rank
    dtype = np.dtype(np.float16 if layout.half else np.float32)
    parts: list[Callable[[], Matrix]] = []
    for target, (n_in, n_out) in layout.targets.items():
        for name, shape in ((f"{target}{A}", (layout.rank, n_in)), (f"{target}{B}", (n_out, layout.rank))):
            writer.add_tensor_info(name, shape, dtype, shape[0] * shape[1] * dtype.itemsize)
            parts.append(partial(_stacked, loras, name, shape, layout, dtype))
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for part in parts:
            writer.write_tensor_data(part())
        writer.flush()
    finally:
        writer.close()


def _stacked(
    loras: Sequence[LoraMatrices],
    name: str,
    shape: tuple[int, int],
    layout: StackLayout,
    dtype: np.dtype[Any],
) -> Matrix:
    """A [ranks, in] or B [out, ranks] of all adapters at one target."""
    stacked: Matrix = np.zeros(shape, dtype)
    ranks = stacked if name.endswith(A) else stacked.T
    for lora, block in zip(loras, layout.blocks, strict=True):
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = lora.matrix(name)
            if matrix is None:
                continue
            own = matrix if name.endswith(A) else matrix.T
            ranks[block.start : block.start + len(own)] = own
        if not np.isfinite(ranks[block]).all():
            raise InvalidInput(
                f"The adapter {lora.header.path} has numbers in {name} that cannot be stacked.",
                "Use a smaller scale; if that does not help, export the adapter again.",
            )
    return stacked
