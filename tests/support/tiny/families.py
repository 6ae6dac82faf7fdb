"""The families of models in docs/speed.md, each as a tiny one: what is particular about it, and its own template."""

from __future__ import annotations

from tests.support.tiny import templates
from tests.support.tiny.model import BIASES, NORMS_BEHIND, NORMS_OF_HEADS, Tiny

CONTEXT = 1024
WINDOW = 16
"""Tokens that a layer with a sliding window looks back at."""

SHORT_CONTEXT = 512
"""Tokens up to which the Phi's shorter factors of rotation hold."""

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>", "<|eot_id|>")
_GEMMA = ("<start_of_turn>", "<end_of_turn>")
_SLIDING: dict[str, int | float] = {"attention.sliding_window": WINDOW, "attention.sliding_window_pattern": 2}

FAMILIES: dict[str, Tiny] = {
    "smollm2": Tiny("llama", "bpe", templates.QWEN2, CHATML, pre="smollm", context=CONTEXT),
    "llama3": Tiny(
        "llama",
        "bpe",
        templates.LLAMA3,
        _LLAMA3,
        pre="llama-bpe",
        begins=True,
        context=CONTEXT,
        factors={"rope_freqs": [1.0, 2.0, 4.0, 8.0]},
    ),
    "mistral": Tiny(
        "llama", "sentencepiece", templates.MISTRAL, ("[INST]", "[/INST]"), space_prefix=True, context=CONTEXT
    ),
    "mixtral": Tiny(
        "llama",
        "sentencepiece",
        templates.MISTRAL,
        ("[INST]", "[/INST]"),
        context=CONTEXT,
        experts=4,
        keys={"expert_count": 4, "expert_used_count": 2},
    ),
    "qwen2": Tiny("qwen2", "bpe", templates.QWEN2, CHATML, pre="qwen2", context=CONTEXT, biases=BIASES),
    "qwen3": Tiny(
        "qwen3", "bpe", templates.QWEN3, CHATML, pre="qwen2", context=CONTEXT, norms=NORMS_OF_HEADS
    ),
    "qwen3moe": Tiny(
        "qwen3moe",
        "bpe",
        templates.QWEN3,
        CHATML,
        pre="qwen2",
        context=CONTEXT,
        norms=NORMS_OF_HEADS,
        experts=4,
        keys={"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 64},
    ),
    "gemma2": Tiny(
        "gemma2",
        "sentencepiece",
        templates.GEMMA,
        _GEMMA,
        context=CONTEXT,
        norms=NORMS_BEHIND,
        keys=_SLIDING | {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
    ),
    "gemma3": Tiny(
        "gemma3",
        "sentencepiece",
        templates.GEMMA3,
        _GEMMA,
        context=CONTEXT,
        norms=NORMS_OF_HEADS | NORMS_BEHIND,
        keys=_SLIDING,
    ),
    "phi3": Tiny(
        "phi3",
        "sentencepiece",
        templates.PHI3,
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        space_prefix=True,
        context=CONTEXT,
        fused=True,
        factors={"rope_factors_long": [1.0, 4.0, 16.0, 64.0], "rope_factors_short": [1.0, 1.1, 1.2, 1.3]},
        keys={"rope.scaling.original_context_length": SHORT_CONTEXT, "rope.scaling.attn_factor": 1.2},
    ),
}
"""By name. Those with a sliding window: gemma2 and gemma3; without an answer's header: mistral and mixtral."""
