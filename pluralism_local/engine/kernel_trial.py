"""The child process that tries llama.cpp's kernels: `python -m pluralism_local.engine.kernel_trial [BUFFER TYPE …]`.

    a tiny model with a layer in each type that gets repacked ──┬─ plain weights ──> logits ─┬─> error, in [0, ∞)
                                                                └─ extra buffers ──> logits ─┘

Without the buffer types named, it decodes a prompt of 64 tokens and a batch of eight sequences both ways. First a line
with the extra buffer types in use is written, then one with the error: squared difference of the logits over their
squared size. A processor fault ends this process, which is what it is for.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from pluralism_local.engine import child_process, ggml, kernel_safety
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.schedule import Row

Kind = gguf.GGMLQuantizationType

KINDS = (
    Kind.Q4_0,
    Kind.Q4_1,
    Kind.Q8_0,
    Kind.Q4_K,
    Kind.Q5_K,
    Kind.Q6_K,
    Kind.Q2_K,
    Kind.IQ4_XS,
    Kind.IQ4_NL,
)
"""Types that llama.cpp repacks for some x86 processor, or multiplies in tiles."""

PROMPT, BATCH = 64, 8

_WIDTH, _HEADS, _INNER, _VOCABULARY = 256, 4, 512, 256


def write_model(path: Path) -> Path:
    """A Llama with one layer per type of `KINDS`, 3 MB of seeded noise, and no tokenizer."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_block_count(len(KINDS))
    writer.add_context_length(PROMPT + 8)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(_VOCABULARY)

    def matrix(name: str, rows: int, columns: int, kind: gguf.GGMLQuantizationType | None) -> None:
        values = rng.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        if kind is None:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, ggml.quantized(values, kind), raw_dtype=kind)

    matrix("token_embd.weight", _VOCABULARY, _WIDTH, None)
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    for layer, kind in enumerate(KINDS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(_WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}.weight", _WIDTH, _WIDTH, kind)
        for name in ("ffn_gate", "ffn_up"):
            matrix(f"blk.{layer}.{name}.weight", _INNER, _WIDTH, kind)
        matrix(f"blk.{layer}.ffn_down.weight", _WIDTH, _INNER, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def logits(path: Path, *, repack: bool) -> npt.NDArray[np.float64]:
    """Logits [1 + BATCH, n_vocab] float64: after a prompt, then of a batch in which every sequence goes on from it."""
    with (
        Model(path, repack=repack) as model,
        Context(model, cells=256, sequences=BATCH, threads=2) as context,
    ):
        prompt = [
            Row(token * 3 % _VOCABULARY, place, [0], place == PROMPT - 1)
            for place, token in enumerate(range(PROMPT))
        ]
        context.decode(prompt)
        rows = [context.logits(PROMPT - 1).copy()]
        for sequence in range(1, BATCH):
            context.share(0, sequence)
        context.decode([Row(7 * sequence, PROMPT, [sequence], True) for sequence in range(BATCH)])
        rows += [context.logits(row).copy() for row in range(BATCH)]
        return np.array(rows, np.float64)


def main(dropped: list[str]) -> None:
    """Try the buffer types that are left without `dropped`; see the module."""
    child_process.prepare()
    install_log()
    kernel_safety.settle_with(dropped)
    child_process.record(buffers=ggml.names())
    with tempfile.TemporaryDirectory(prefix="plocal-kernels-") as folder:
        path = write_model(Path(folder) / "tiny.gguf")
        plain, repacked = logits(path, repack=False), logits(path, repack=True)
    error = float(((plain - repacked) ** 2).sum() / (plain**2).sum())
    child_process.record(error=error if np.isfinite(repacked).all() else None)


if __name__ == "__main__":
    main(sys.argv[1:])
