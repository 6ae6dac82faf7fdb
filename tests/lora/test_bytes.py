"""The bytes of a conversion, which adapters that were shipped before depend on: their hashes stand in cards."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pluralism_local.lora import WEIGHTS, BaseShape, read_lora, write_lora_gguf
from pluralism_local.models.gguf_file import read_header
from tests.support.peft_folders import BASE, peft_folder, tensors

LOWER = {"q_proj": 2, "layers.1.mlp.down_proj": 3}

# what the conversion of the recipes wrote (torch, safetensors.torch, peft) before it came into the package
WRITTEN_BEFORE: dict[str, tuple[str, dict[str, Any], str]] = {
    "plain": ("llama", {}, "a2b0bb1af27ef5bd83501bdf5ec060d1e139605500b6bc1b22b62afc0b45d425"),
    "rank-stabilized": (
        "mistral",
        {"use_rslora": True},
        "31a84c048c9d9b0f8e9e2c5d3f113a702b09e454afc52d41ca3481a27ba9ca36",
    ),
    "ranks": (
        "qwen2",
        {"rank_pattern": LOWER, "ranks": LOWER},
        "a0674d144d9756ed178fdf04606afe1024bdd5d42e7b46fa558d06dc9aee4bc9",
    ),
    "alphas": (
        "qwen3",
        {"alpha_pattern": {"v_proj": 5, "layers.0.self_attn.k_proj": 1}},
        "e62cfa391a35a9ec0c627652aac76fedefef39773c945c6a178b5e29530efeb0",
    ),
    "gemma": ("gemma", {}, "b8f55f4ac99ed765e4f36fd51508019729d6f7a550142d45a2df7bb777143678"),
    "all at once": (
        "gemma3_text",
        {
            "use_rslora": True,
            "alpha_pattern": {"o_proj": 7},
            "rank_pattern": {"o_proj": 2},
            "ranks": {"o_proj": 2},
        },
        "c0e780dfb31cd8d03773600f5c1b82a77eeeb9f1e879cd760b8da943dddbbc61",
    ),
    "activated": (
        "llama",
        {"alora_invocation_tokens": [1, 520, 9531, 198]},
        "155494c1d8072b5c937465d64644e2a3ca3d765935901a8560496ade14a2fe2f",
    ),
}


@pytest.mark.parametrize("name", WRITTEN_BEFORE)
def test_a_file_is_what_it_was(tmp_path: Path, name: str) -> None:
    family, settings, sha256 = WRITTEN_BEFORE[name]
    folder = peft_folder(tmp_path / "peft", **settings)
    lora = read_lora(folder, BaseShape.of_config({"model_type": family, **BASE}))
    assert write_lora_gguf(lora, tmp_path / "a.gguf").sha256 == sha256


def test_weights_in_bf16_are_those_of_float32(tmp_path: Path) -> None:
    """The same values in both types: BF16 is the upper half of a float32."""
    folder = peft_folder(tmp_path)
    shape = BaseShape.of_config({"model_type": "llama", **BASE})
    halves = {
        name: (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
        for name, values in tensors().items()
    }
    at, entries, data = 0, {}, b""
    for name, half in halves.items():
        entries[name] = {
            "dtype": "BF16",
            "shape": list(half.shape),
            "data_offsets": [at, at + half.nbytes],
        }
        at += half.nbytes
        data += half.tobytes()
    head = json.dumps(entries).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(head)) + head + data)
    in_bf16 = read_lora(folder, shape)

    from safetensors.numpy import save_file

    widened = {
        name: (half.astype(np.uint32) << np.uint32(16)).view(np.float32) for name, half in halves.items()
    }
    save_file(widened, folder / WEIGHTS)
    in_float32 = read_lora(folder, shape)
    for target, pair in in_float32.pairs.items():
        for a, b in zip(pair, in_bf16.pairs[target], strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_base_is_the_same_by_its_configuration_and_by_its_file(starter_path: Path) -> None:
    by_header = BaseShape.of_header(read_header(starter_path))
    by_config = BaseShape.of_config(
        {
            "model_type": "llama",
            "num_hidden_layers": 30,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
        }
    )
    assert by_header == by_config
