"""Small GGUF models for tests: a plausible Llama header and a few kilobytes of seeded weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np

TOKENS = ("<unk>", "<s>", "</s>", "a", " b", "é", "日本")


def write_model(
    path: Path,
    *,
    architecture: str = "llama",
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F16,
    file_type: gguf.LlamaFileType | None = gguf.LlamaFileType.MOSTLY_F16,
    tokens: Sequence[str] = TOKENS,
    embedding: int = 64,
    layers: int = 2,
    heads: int = 4,
    kv_heads: int | None = 2,
    context: int = 128,
    template: str | None = "{{ messages[0].content }}",
    extra: Mapping[str, str | int] | None = None,
    seed: int = 0,
) -> Path:
    """Write a model and return `path`: a token embedding (always F32), one matrix of type `kind` per layer.

    None leaves a key out. The weights are seeded noise; nothing can be generated from it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    writer.add_block_count(layers)
    writer.add_context_length(context)
    writer.add_embedding_length(embedding)
    writer.add_head_count(heads)
    if kv_heads is not None:
        writer.add_head_count_kv(kv_heads)
    if file_type is not None:
        writer.add_file_type(file_type)
    if template is not None:
        writer.add_chat_template(template)
    for key, value in (extra or {}).items():
        if isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_uint32(key, value)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(list(tokens))
    writer.add_token_merges(["a b"])
    rng = np.random.default_rng(seed)
    writer.add_tensor("token_embd.weight", rng.standard_normal((len(tokens), embedding), dtype=np.float32))
    for layer in range(layers):
        matrix = rng.standard_normal((embedding, embedding), dtype=np.float32)
        data = gguf.quants.quantize(matrix, kind)
        raw = None if kind in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32) else kind
        writer.add_tensor(f"blk.{layer}.attn_q.weight", data, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
