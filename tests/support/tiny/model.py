"""Writes a tiny model of any of the architectures, and adapters for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np

from pluralism_local.bench.seeded import write_lora
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.vocabulary import Tokenizer, add_bpe, add_sentencepiece

EMBEDDING, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 32, 2, 4, 2, 64, 256
HEAD = EMBEDDING // HEADS
KV_LENGTH = HEAD * KV_HEADS
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"

NORMS_OF_HEADS = {"attn_q_norm": HEAD, "attn_k_norm": HEAD}
NORMS_BEHIND = {"post_attention_norm": EMBEDDING, "post_ffw_norm": EMBEDDING}
BIASES = {"attn_q": EMBEDDING, "attn_k": KV_LENGTH, "attn_v": KV_LENGTH}


@dataclass(frozen=True, slots=True)
class Tiny:
    """What a tiny model is like.

    Attributes:
        template: its chat template; None for a base model.
        controls: the tokenizer's control tokens; empty for those that it has anyway.
        pre: how the texts are cut before byte pairs are merged.
        begins: every text begins with a token by itself.
        space_prefix: every stretch of text gets a space in front.
        context: tokens it was "trained" with.
        keys: more metadata of the architecture.
        norms, biases: of each layer besides those that all have, by name: how many elements.
        fused: queries, keys and values in one matrix, gate and up in another.
        experts: feed-forward networks to choose two from; 0 for a single one.
        factors: vectors of the whole model by name, e.g. of the rotation.
    """

    architecture: str = "llama"
    tokenizer: Tokenizer = "sentencepiece"
    template: str | None = TEMPLATE
    controls: tuple[str, ...] = ()
    pre: str = "gpt-2"
    begins: bool = False
    space_prefix: bool = False
    context: int = CONTEXT
    keys: Mapping[str, int | float] = field(default_factory=dict)
    norms: Mapping[str, int] = field(default_factory=dict)
    biases: Mapping[str, int] = field(default_factory=dict)
    fused: bool = False
    experts: int = 0
    factors: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def add_vocabulary(self, writer: gguf.GGUFWriter) -> int:
        """Add the tokenizer; its size."""
        if self.tokenizer == "sentencepiece":
            return add_sentencepiece(writer, self.controls, space_prefix=self.space_prefix)
        if self.controls:
            return add_bpe(writer, self.controls, pre=self.pre, begins=self.begins)
        return add_bpe(writer)


PLAIN = Tiny()
"""A Llama without anything special."""


def write_tiny(path: Path, tiny: Tiny = PLAIN, *, seed: int = 0) -> Path:
    """Write a whole model of seeded noise, all weights in F32, and return `path`."""
    writer = gguf.GGUFWriter(path, tiny.architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(LAYERS)
    writer.add_context_length(tiny.context)
    writer.add_embedding_length(EMBEDDING)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    if tiny.template is not None:
        writer.add_chat_template(tiny.template)
    for key, value in tiny.keys.items():
        add_key = writer.add_float32 if isinstance(value, float) else writer.add_uint32
        add_key(f"{tiny.architecture}.{key}", value)
    count = tiny.add_vocabulary(writer)
    writer.add_vocab_size(count)
    _Tensors(writer, np.random.default_rng(seed)).add_all(tiny, count)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class _Tensors:
    """Adds seeded tensors to `writer`."""

    def __init__(self, writer: gguf.GGUFWriter, rng: np.random.Generator) -> None:
        self._writer, self._rng = writer, rng

    def add_all(self, tiny: Tiny, vocabulary: int) -> None:
        """All of a model's, in the order of its layers."""
        self._add("token_embd.weight", vocabulary, EMBEDDING)
        self._norm("output_norm", EMBEDDING)
        for name, values in tiny.factors.items():
            self._writer.add_tensor(f"{name}.weight", np.array(values, dtype=np.float32))
        for layer in range(LAYERS):
            self._add_layer(f"blk.{layer}", tiny)

    def _add_layer(self, layer: str, tiny: Tiny) -> None:
        self._norm(f"{layer}.attn_norm", EMBEDDING)
        if tiny.fused:
            self._add(f"{layer}.attn_qkv.weight", EMBEDDING + 2 * KV_LENGTH, EMBEDDING)
        else:
            self._add(f"{layer}.attn_q.weight", EMBEDDING, EMBEDDING)
            self._add(f"{layer}.attn_k.weight", KV_LENGTH, EMBEDDING)
            self._add(f"{layer}.attn_v.weight", KV_LENGTH, EMBEDDING)
        self._add(f"{layer}.attn_output.weight", EMBEDDING, EMBEDDING)
        for name, length in tiny.norms.items():
            self._norm(f"{layer}.{name}", length)
        for name, length in tiny.biases.items():
            self._add(f"{layer}.{name}.bias", length)
        self._norm(f"{layer}.ffn_norm", EMBEDDING)
        experts, ending = ((tiny.experts,), "_exps") if tiny.experts else ((), "")
        if tiny.experts:
            self._add(f"{layer}.ffn_gate_inp.weight", tiny.experts, EMBEDDING)
        if not tiny.fused:
            self._add(f"{layer}.ffn_gate{ending}.weight", *experts, FEED_FORWARD, EMBEDDING)
        up = 2 * FEED_FORWARD if tiny.fused else FEED_FORWARD
        self._add(f"{layer}.ffn_up{ending}.weight", *experts, up, EMBEDDING)
        self._add(f"{layer}.ffn_down{ending}.weight", *experts, EMBEDDING, FEED_FORWARD)

    def _add(self, name: str, *shape: int) -> None:
        data = self._rng.standard_normal(shape, dtype=np.float32) / np.float32(4)
        self._writer.add_tensor(name, data)

    def _norm(self, name: str, length: int) -> None:
        self._rng.standard_normal(length, dtype=np.float32)  # as many draws as numbers, whatever they are
        self._writer.add_tensor(f"{name}.weight", np.ones(length, dtype=np.float32))


def write_tiny_adapter(
    path: Path, model: Path, *, invocation_tokens: Sequence[int] | None = None, seed: int = 0
) -> Path:
    """Write a LoRA of rank 4 for a model of `write_tiny`, and return `path`."""
    return write_lora(
        path,
        base_header=read_header(model),
        rank=4,
        alpha=8.0,
        seed=seed,
        invocation_tokens=invocation_tokens,
        dtype=np.float32,
    )
