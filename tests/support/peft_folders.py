"""PEFT folders made without PEFT or torch: the same bytes on every machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

HIDDEN, INNER, HEADS, KEY_HEADS, LAYERS = 48, 80, 4, 2, 2
HEAD = HIDDEN // HEADS
SHAPES = {
    "self_attn.q_proj": (HIDDEN, HEADS * HEAD),
    "self_attn.k_proj": (HIDDEN, KEY_HEADS * HEAD),
    "self_attn.v_proj": (HIDDEN, KEY_HEADS * HEAD),
    "self_attn.o_proj": (HEADS * HEAD, HIDDEN),
    "mlp.gate_proj": (HIDDEN, INNER),
    "mlp.up_proj": (HIDDEN, INNER),
    "mlp.down_proj": (INNER, HIDDEN),
}
"""Linear layer of a block -> (inputs, outputs)."""

BASE = {
    "num_hidden_layers": LAYERS,
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "head_dim": HEAD,
    "vocab_size": 64,
}
"""A base's config.json, but for its model type."""

PREFIX = "base_model.model.model.layers"


def numbers(rows: int, columns: int, start: int) -> npt.NDArray[np.float32]:
    """Values of -0.5 to 0.5 that are the same everywhere: integer arithmetic, and one exact division."""
    index = np.arange(start, start + rows * columns, dtype=np.uint64)
    scattered = index * np.uint64(2654435761) % np.uint64(2**32) // np.uint64(2**12)
    return (scattered.astype(np.float32) / np.float32(2**20) - np.float32(0.5)).reshape(rows, columns)


def tensors(
    rank: int = 4, ranks: dict[str, int] | None = None, only: str = ""
) -> dict[str, npt.NDArray[np.float32]]:
    """A LoRA on every linear layer whose name ends with `only`; `ranks` are those of layers that end so."""
    found = {}
    for layer in range(LAYERS):
        for number, (name, (inputs, outputs)) in enumerate(SHAPES.items()):
            if not name.endswith(only):
                continue
            own = next(
                (r for end, r in (ranks or {}).items() if f"layers.{layer}.{name}".endswith(end)), rank
            )
            start = 100_000 * (layer * len(SHAPES) + number)
            module = f"{PREFIX}.{layer}.{name}"
            found[f"{module}.lora_A.weight"] = numbers(own, inputs, start)
            found[f"{module}.lora_B.weight"] = numbers(outputs, own, start + 50_000)
    return found


def peft_folder(
    folder: Path,
    *,
    base: str = "someone/base",
    ranks: dict[str, int] | None = None,
    only: str = "",
    **settings: Any,
) -> Path:
    """A folder as PEFT saves it; `settings` are keys of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": 4,
        "lora_alpha": 12,
        "bias": "none",
        "target_modules": sorted(name.rpartition(".")[2] for name in SHAPES if name.endswith(only)),
        **settings,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file(tensors(config["r"], ranks, only), folder / "adapter_model.safetensors")
    return folder
