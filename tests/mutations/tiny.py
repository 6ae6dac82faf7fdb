"""A model of about 120 kB that llama.cpp loads and runs, with a whole tokenizer of either kind; an adapter for it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from pluralism_local.bench.seeded import write_lora
from pluralism_local.gguf_file import read_header

EMBEDDING, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 32, 2, 4, 2, 64, 256
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"

HEAD = EMBEDDING // HEADS
NORMS_OF_HEADS = ("attn_q_norm", "attn_k_norm")
MORE_NORMS = {  # per layer, of as many elements
    "qwen3": dict.fromkeys(NORMS_OF_HEADS, HEAD),
    "gemma3": dict.fromkeys(NORMS_OF_HEADS, HEAD)
    | {"post_attention_norm": EMBEDDING, "post_ffw_norm": EMBEDDING},
}

Tokenizer = Literal["sentencepiece", "bpe"]
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def write_tiny(
    path: Path, tokenizer: Tokenizer = "sentencepiece", *, architecture: str = "llama", seed: int = 0
) -> Path:
    """Write a whole model of seeded noise, all weights in F32, and return `path`.

    `architecture` is llama, qwen2, qwen3 or gemma3.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_chat_template(TEMPLATE)
    count = _add_sentencepiece(writer) if tokenizer == "sentencepiece" else _add_bpe(writer)
    writer.add_vocab_size(count)
    rng = np.random.default_rng(seed)

    def add(name: str, *shape: int) -> None:
        data = rng.standard_normal(shape, dtype=np.float32) / np.float32(4)
        writer.add_tensor(f"{name}.weight", np.ones_like(data) if len(shape) == 1 else data)

    add("token_embd", count, EMBEDDING)
    add("output_norm", EMBEDDING)
    kv_length = HEAD * KV_HEADS
    for layer in range(LAYERS):
        add(f"blk.{layer}.attn_norm", EMBEDDING)
        add(f"blk.{layer}.attn_q", EMBEDDING, EMBEDDING)
        add(f"blk.{layer}.attn_k", kv_length, EMBEDDING)
        add(f"blk.{layer}.attn_v", kv_length, EMBEDDING)
        add(f"blk.{layer}.attn_output", EMBEDDING, EMBEDDING)
        for name, length in MORE_NORMS.get(architecture, {}).items():
            add(f"blk.{layer}.{name}", length)
        add(f"blk.{layer}.ffn_norm", EMBEDDING)
        add(f"blk.{layer}.ffn_gate", FEED_FORWARD, EMBEDDING)
        add(f"blk.{layer}.ffn_up", FEED_FORWARD, EMBEDDING)
        add(f"blk.{layer}.ffn_down", EMBEDDING, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_adapter(path: Path, model: Path, *, invocation_tokens: tuple[int, ...] | None = None) -> Path:
    """Write a LoRA of rank 4 for a model of `write_tiny`, and return `path`."""
    return write_lora(
        path,
        base_header=read_header(model),
        rank=4,
        alpha=8.0,
        invocation_tokens=invocation_tokens,
        dtype=np.float32,
    )


def _add_sentencepiece(writer: gguf.GGUFWriter) -> int:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256]
    pieces = ["▁", *string.ascii_letters, *".,:?!'", "▁t", "th", "▁th", "▁the", "er", "in", "▁a"]
    scores = [0.0] * len(tokens) + [-float(place) for place in range(len(pieces))]
    tokens, types = tokens + pieces, types + [NORMAL] * len(pieces)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    return len(tokens)


def _add_bpe(writer: gguf.GGUFWriter) -> int:
    merges = ["t h", "Ġ t", "Ġt h", "Ġth e", "e r", "i n", "Ġ a"]
    tokens = [*_byte_letters(), *(merge.replace(" ", "") for merge in merges), "<|endoftext|>", "<|im_end|>"]
    types = [NORMAL] * (len(tokens) - 2) + [CONTROL] * 2
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)
    return len(tokens)


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in GPT-2's vocabulary: itself where printable, else one from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
