"""Seeded LoRA adapters: random matrices of the base's shapes, in the GGUF form that llama.cpp loads.

They stand for trained adapters wherever only their cost matters (`plocal bench`) or their identity (tests); what they
make a model say means nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from pluralism_local.gguf_header import GGUFHeader

TARGETS = ("attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def write_lora(
    path: Path,
    *,
    base_header: GGUFHeader,
    rank: int = 8,
    alpha: float = 16.0,
    seed: int = 0,
    scale: float = 0.02,
    zero: bool = False,
    invocation_tokens: Sequence[int] | None = None,
    targets: Sequence[str] = TARGETS,
    layers: Collection[int] | None = None,
    dtype: type[np.floating[Any]] = np.float16,
) -> Path:
    """Write a LoRA adapter that fits the model of `base_header`; return `path`.

    A [rank, in] ~ N(0, 1/in) and B [out, rank] ~ N(0, scale²), drawn in float32 and stored as `dtype`
    (float16 or float32), so that the update B·A·alpha/rank perturbs every target by about scale·alpha/√rank
    times the input's root mean square: the default shifts SmolLM2's text without breaking it. `zero` leaves
    A and sets every B to 0. `layers` None means all. `invocation_tokens` makes it an activated LoRA (aLoRA).
    The same arguments give the same bytes.
    """
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, base_header.metadata["general.architecture"])
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    if invocation_tokens is not None:
        # the writer would infer INT32, which llama.cpp refuses to load
        writer.add_key_value(
            "adapter.alora.invocation_tokens",
            list(invocation_tokens),
            gguf.GGUFValueType.ARRAY,
            sub_type=gguf.GGUFValueType.UINT32,
        )
    for tensor in base_header.tensors:
        parts = tensor.name.split(".")  # blk.N.attn_q.weight
        if len(parts) != 4 or parts[0] != "blk" or parts[2] not in targets or parts[3] != "weight":
            continue
        if layers is not None and int(parts[1]) not in layers:
            continue
        n_in, n_out = tensor.shape  # GGUF order: fastest first
        a = rng.standard_normal((rank, n_in), dtype=np.float32) / np.sqrt(np.float32(n_in))
        b = rng.standard_normal((n_out, rank), dtype=np.float32) * np.float32(scale)
        if zero:
            b = np.zeros_like(b)
        writer.add_tensor(f"{tensor.name}.lora_a", a.astype(dtype))
        writer.add_tensor(f"{tensor.name}.lora_b", b.astype(dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
