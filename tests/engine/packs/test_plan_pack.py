"""What a pack's plan takes and what it refuses, with the reason: bases, adapters, spare tokens. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from pluralism_local.engine.packs.rules import spare_tokens
from pluralism_local.engine.packs.writer import PackAdapter, PackPlan, plan_pack
from pluralism_local.errors import NotFound
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.models.gguf_file import read_header
from tests.support.gguf_files import write_model
from tests.support.pack_plans import START, planned


def with_settings(base: GGUFHeader, **changes: Any) -> GGUFHeader:
    renamed = {key.replace("__", "."): value for key, value in changes.items()}
    return replace(base, metadata={**base.metadata, **renamed})


def with_tensor(base: GGUFHeader, name: str, *shape: int) -> GGUFHeader:
    return replace(base, tensors=(*base.tensors, Tensor(name, shape, 0, 0)))


def retyped(base: GGUFHeader, name: str, kind: int) -> GGUFHeader:
    tensors = tuple(replace(t, type=kind) if t.name == name else t for t in base.tensors)
    return replace(base, tensors=tensors)


BAD_BASES: dict[str, tuple[Callable[[GGUFHeader], GGUFHeader], str]] = {
    "family": (lambda b: with_settings(b, general__architecture="qwen2"), "architecture is 'qwen2'"),
    "parts": (lambda b: with_settings(b, split__count=3), "split into several files"),
    "window": (lambda b: with_settings(b, llama__attention__sliding_window=4096), "sliding window"),
    "experts by key": (lambda b: with_settings(b, llama__expert_count=8), "mixture of experts"),
    "unknown setting": (lambda b: with_settings(b, llama__attention__causal=False), "llama.attention.causal"),
    "heads by layer": (
        lambda b: with_settings(b, llama__attention__head_count=[9, 9]),
        "llama.attention.head_count is not one number",
    ),
    "part of a head turned": (
        lambda b: with_settings(b, llama__rope__dimension_count=32),
        "64 dimensions, but llama.rope.dimension_count is 32",
    ),
    "other value heads": (
        lambda b: with_settings(b, llama__attention__value_length=128),
        "llama.attention.value_length is 128",
    ),
    "absurd depth": (lambda b: with_settings(b, llama__block_count=1 << 60), "fewer tensors than layers"),
    "no token types": (lambda b: with_settings(b, tokenizer__ggml__token_type=[]), "which tokens are special"),
    "rope factors": (lambda b: with_tensor(b, "rope_freqs.weight", 32), "rope_freqs.weight"),
    "bias": (lambda b: with_tensor(b, "blk.0.attn_q.bias", 576), "biases (blk.0.attn_q.bias)"),
    "norm": (lambda b: with_tensor(b, "blk.0.attn_q_norm.weight", 64), "normalizes queries and keys"),
    "experts": (lambda b: with_tensor(b, "blk.0.ffn_up_exps.weight", 576, 1536, 8), "mixture of experts"),
    "unknown tensor": (lambda b: with_tensor(b, "strange", 3), "strange"),
    "lacking": (lambda b: replace(b, tensors=b.tensors[:-1]), "lacks the tensor"),
    "shape": (lambda b: with_settings(b, llama__feed_forward_length=1024), "has the shape"),
    "mixed": (
        lambda b: retyped(b, "blk.7.attn_v.weight", 14),
        "layer 7 have different quantizations (Q4_1, Q4_1, Q6_K)",
    ),
    "type": (lambda b: retyped(b, "blk.7.ffn_up.weight", 99), "type unknown"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_BASES)
def test_bases_that_a_pack_cannot_express_are_refused(
    starter: GGUFHeader, two: list[PackAdapter], bad: str
) -> None:
    change, words = BAD_BASES[bad]
    reason = plan_pack(change(starter), two, START)

    assert isinstance(reason, str)
    assert words in reason
    assert isinstance(plan_pack(starter, two, START), PackPlan)


def test_an_incomplete_model_is_refused(two: list[PackAdapter], tmp_path: Path) -> None:
    reason = plan_pack(read_header(write_model(tmp_path / "tiny.gguf")), two, START)

    assert reason == "its setting llama.feed_forward_length is not one number"


def test_harmless_settings_are_no_obstacle(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    changed = with_settings(
        starter, llama__expert_count=0, llama__rope__scaling__finetuned=False, tokenizer__ggml__x=[]
    )
    assert planned(changed, two) == planned(starter, two)


def test_too_few_spare_tokens_are_refused(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    kinds = [1] * 49152
    kinds[1] = kinds[8] = 3

    reason = plan_pack(with_settings(starter, tokenizer__ggml__token_type=kinds), two, START)

    assert reason == "its vocabulary has 1 unused special tokens, and 2 adapters need one each"


def adapter_with(path: Path, tensors: Mapping[str, tuple[int, ...]], **metadata: str) -> PackAdapter:
    """An adapter of F16 zeros with tensors of these (rows, columns)."""
    writer = gguf.GGUFWriter(path, metadata.pop("architecture", "llama"))
    writer.add_string("adapter.type", metadata.pop("kind", "lora"))
    writer.add_float32("adapter.lora.alpha", 1.0)
    for name, shape in tensors.items():
        writer.add_tensor(name, np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return PackAdapter(path, 1.0)


UP = "blk.0.ffn_up.weight"
GOOD = {f"{UP}.lora_a": (2, 576), f"{UP}.lora_b": (1536, 2)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        (GOOD, {"architecture": "qwen2"}, "not a LoRA adapter for 'llama'"),
        (GOOD, {"kind": "lokr"}, "not a LoRA adapter for 'llama'"),
        ({}, {}, "has no matrices"),
        (
            {"token_embd.weight.lora_a": (2, 49152), "token_embd.weight.lora_b": (576, 2)},
            {},
            "changes token_embd.weight",
        ),
        ({"output.weight.lora_a": (2, 576), "output.weight.lora_b": (49152, 2)}, {}, "changes output.weight"),
        ({"blk.30.ffn_up.weight.lora_a": (2, 576)}, {}, "changes blk.30.ffn_up.weight"),
        ({"odd": (2, 2)}, {}, "changes odd"),
        ({f"{UP}.lora_a": (2, 576)}, {}, "no pair"),
        ({**GOOD, f"{UP}.magnitude": (1536,)}, {}, "no pair"),
        ({**GOOD, f"{UP}.lora_b": (1536, 3)}, {}, "do not fit"),
        ({**GOOD, f"{UP}.lora_a": (2, 577)}, {}, "do not fit"),
    ],
)
def test_adapters_without_a_place_in_the_pack_are_refused(
    starter: GGUFHeader,
    two: list[PackAdapter],
    tmp_path: Path,
    tensors: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
    words: str,
) -> None:
    assert planned(starter, [*two, adapter_with(tmp_path / "good.gguf", GOOD)]).rank == 2

    reason = plan_pack(starter, [*two, adapter_with(tmp_path / "bad.gguf", tensors, **metadata)], START)

    assert isinstance(reason, str)
    assert "bad.gguf" in reason
    assert words in reason


def test_the_invocation_must_begin_with_the_token_that_is_exchanged(
    starter: GGUFHeader, two: list[PackAdapter]
) -> None:
    assert plan_pack(starter, two, 520) == "1.gguf is switched on by token 1, not by 520"
    assert plan_pack(starter, [], START) == "there is no adapter to pack"


def test_a_missing_adapter_is_not_found(starter: GGUFHeader, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        plan_pack(starter, [PackAdapter(tmp_path / "gone.gguf", 1.0)], START)


def test_control_tokens_of_the_starter_model(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    tokens = starter.metadata["tokenizer.ggml.tokens"]
    spare = spare_tokens(starter, [read_header(adapter.path) for adapter in two], START)

    assert [tokens[token] for token in spare[:3]] == ["<filename>", "<gh_stars>", "<issue_start>"]
    assert len(spare) == 11
    assert planned(starter, two).control_tokens == tuple(spare[:2])
