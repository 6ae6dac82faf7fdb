"""A PEFT adapter under GGUF's names, scales and order of rows.

Families: Llama and Mistral (rows of B of q and k permuted as llama.cpp's converter permutes the base's), Qwen 2 and 3,
Gemma 1 to 3 (no permutation). GGUF has one alpha for a file, and llama.cpp scales every pair by alpha / its rank:
rsLoRA becomes alpha·√r, and what alpha and rank patterns change is folded into B. A card has one rank:
pairs of a lower rank are filled up with zeros, which changes no product.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.lora.base_shape import BaseShape
from pluralism_local.lora.gguf_writer import Half, Lora
from pluralism_local.lora.peft_files import (
    CONFIG,
    Matrix,
    invocation,
    pattern,
    rank_and_alpha,
    read_config,
    read_pairs,
    refuse_unsupported,
)

_LAYER = re.compile(r"\blayers\.(\d+)\.")
_TIED = ("token_embd", "output")


def read_lora(folder: Path, base: BaseShape) -> Lora:
    """Read and translate a PEFT adapter.

    Args:
        base: of the model that it was trained on.

    Raises:
        NotFound: a file of the folder is missing.
        InvalidInput: a kind of adapter or layer that has no form in GGUF, or shapes of another base; the
            message names it.
        Refused: weights that are not numbers, too large for F16, or all zero.
    """
    config = read_config(folder)
    refuse_unsupported(config)
    halves = read_pairs(folder)
    names = _gguf_names(base, halves)
    _refuse_another_base(halves, names, base)
    rank, alpha = rank_and_alpha(config)
    widest = max(a.shape[0] for a, _ in halves.values())
    rslora = bool(config.get("use_rslora"))
    file_alpha = alpha * math.sqrt(rank) if rslora else alpha
    pairs = {}
    for module, (a, b) in halves.items():
        r = a.shape[0]
        own_alpha = pattern(config.get("alpha_pattern"), module, alpha)
        if r != pattern(config.get("rank_pattern"), module, rank) or b.shape[1] != r:
            raise InvalidInput(f"{module} has rank {r}, {CONFIG} says otherwise.", "Save the adapter again.")
        scaling = own_alpha / (math.sqrt(r) if rslora else r)
        folded = _rows(b * np.float32(scaling / (file_alpha / widest)), base, names[module])
        filled = np.pad(a, ((0, widest - r), (0, 0))), np.pad(folded, ((0, 0), (0, widest - r)))
        pairs[names[module]] = (_half(filled[0], module), _half(filled[1], module))
    if not any(first.any() and second.any() for first, second in pairs.values()):
        raise Refused(f"The adapter {folder} does nothing: all its updates are zero.", "Train it first.")
    return Lora(
        architecture=base.architecture,
        alpha=file_alpha,
        rank=widest,
        invocation=invocation(config),
        pairs=pairs,
    )


def _gguf_names(base: BaseShape, modules: Mapping[str, object]) -> dict[str, str]:
    import gguf

    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == base.architecture)
    table = gguf.get_tensor_name_map(arch, base.layers)
    names = {}
    for module in modules:
        name = table.get_name(module)
        if name is None and (layer := _LAYER.search(module)) and int(layer[1]) >= base.layers:
            raise InvalidInput(
                f"A LoRA on layer {layer[1]} ('{module}') belongs to another base: this one has {base.layers}, "
                "from 0 on.",
                "Name the base that the adapter was trained on.",
            )
        if name is None or name in _TIED or not name.startswith("blk."):
            raise InvalidInput(
                f"A LoRA on '{module}' cannot be exported.",
                "Target the linear layers inside the blocks, not embeddings or the output.",
            )
        names[module] = name
    return names


def _refuse_another_base(
    halves: Mapping[str, tuple[Matrix, Matrix]], names: Mapping[str, str], base: BaseShape
) -> None:
    for module, (a, b) in halves.items():
        shape = (a.shape[1], b.shape[0])
        expected = base.linear.get(names[module].rpartition(".")[2], shape)
        if shape != expected:
            raise InvalidInput(
                f"The LoRA on '{module}' is for a layer of {shape[0]} inputs and {shape[1]} outputs, this base has "
                f"{expected[0]} and {expected[1]}.",
                "Give the base that the adapter was trained on.",
            )


def _half(matrix: Matrix, module: str) -> Half:
    with np.errstate(over="ignore"):
        half = matrix.astype(np.float16)
    if not np.isfinite(half).all():
        raise Refused(
            f"The LoRA on '{module}' holds values up to {np.abs(matrix).max():.3g}, more than F16 can.",
            "The training went wrong, or its alpha is out of range; lower its rate.",
        )
    return half


def _rows(b: Matrix, base: BaseShape, name: str) -> Matrix:
    """B's rows in GGUF's order: for Llama's q and k the two halves of each head's rotary pairs are interleaved."""
    kind = name.rpartition(".")[2]
    if not base.permuted or kind not in ("attn_q", "attn_k"):
        return b
    heads = base.key_heads if kind == "attn_k" else base.heads
    rows, rank = b.shape
    return b.reshape(heads, 2, rows // heads // 2, rank).swapaxes(1, 2).reshape(rows, rank)
