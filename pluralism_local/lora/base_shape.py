"""The sizes of a base model that decide how a LoRA for it is written.

config.json (transformers) ──BaseShape.of_config──┐
GGUF header ────────────────BaseShape.of_header───┴──> BaseShape | InvalidInput: not a family that has a form in GGUF
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader

ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
"""transformers' model type -> llama.cpp's architecture."""

_MULTIMODAL = {"gemma3": "gemma3_text"}
_PERMUTED = frozenset({"llama"})


@dataclass(frozen=True, slots=True)
class BaseShape:
    """What must be known of a base.

    Attributes:
        architecture: llama.cpp's name.
        layers: blocks.
        hidden: width of the residual stream.
        inner: width inside the feed-forward layers.
        heads, key_heads: attention heads, and those of keys and values.
        head: width of one head.
    """

    architecture: str
    layers: int
    hidden: int
    inner: int
    heads: int
    key_heads: int
    head: int

    @property
    def permuted(self) -> bool:
        """Whether llama.cpp's converter reorders the rows of this family's q and k (and so of B of their LoRA)."""
        return self.architecture in _PERMUTED

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """Kind of layer, as GGUF names it inside a block -> (inputs, outputs)."""
        queries, keys = self.heads * self.head, self.key_heads * self.head
        return {
            "attn_q": (self.hidden, queries),
            "attn_k": (self.hidden, keys),
            "attn_v": (self.hidden, keys),
            "attn_output": (queries, self.hidden),
            "ffn_gate": (self.hidden, self.inner),
            "ffn_up": (self.hidden, self.inner),
            "ffn_down": (self.inner, self.hidden),
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> BaseShape:
        """From a transformers configuration, as `config.json` has it.

        Raises:
            InvalidInput: another family than `ARCHITECTURES`, or a size is missing; the message names it.
        """
        if config.get("model_type") in _MULTIMODAL:
            text = config.get("text_config")
            config = {**(text if isinstance(text, Mapping) else {}), "model_type": "gemma3_text"}
        family = config.get("model_type")
        if family not in ARCHITECTURES:
            raise _other_family(str(family))
        heads = _size(config, "num_attention_heads")
        hidden = _size(config, "hidden_size")
        return cls(
            architecture=ARCHITECTURES[family],
            layers=_size(config, "num_hidden_layers"),
            hidden=hidden,
            inner=_size(config, "intermediate_size"),
            heads=heads,
            key_heads=_size(config, "num_key_value_heads") if config.get("num_key_value_heads") else heads,
            head=_size(config, "head_dim") if config.get("head_dim") else hidden // heads,
        )

    @classmethod
    def of_header(cls, header: GGUFHeader) -> BaseShape:
        """From the header of a GGUF of the base, in any quantization.

        Raises:
            InvalidInput: as `of_config`.
        """
        architecture = header.text("general.architecture") or "none"
        if architecture not in ARCHITECTURES.values():
            raise _other_family(architecture)
        sizes = {
            name: header.metadata.get(f"{architecture}.{key}")
            for name, key in (
                ("block_count", "block_count"),
                ("embedding_length", "embedding_length"),
                ("feed_forward_length", "feed_forward_length"),
                ("head_count", "attention.head_count"),
                ("head_count_kv", "attention.head_count_kv"),
                ("key_length", "attention.key_length"),
            )
        }
        heads, hidden = _size(sizes, "head_count"), _size(sizes, "embedding_length")
        return cls(
            architecture=architecture,
            layers=_size(sizes, "block_count"),
            hidden=hidden,
            inner=_size(sizes, "feed_forward_length"),
            heads=heads,
            key_heads=_size(sizes, "head_count_kv") if sizes["head_count_kv"] else heads,
            head=_size(sizes, "key_length") if sizes["key_length"] else hidden // heads,
        )


def _size(sizes: Mapping[str, Any], name: str) -> int:
    value = sizes.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInput(
            f"The base's configuration has {name}={value!r:.40}, where a whole number above 0 is needed.",
            "Give the base's own config.json, or a GGUF of it.",
        )
    return value


def _other_family(family: str) -> InvalidInput:
    return InvalidInput(
        f"Adapters for bases of the family '{family}' cannot be exported.",
        f"Supported are {', '.join(ARCHITECTURES)}.",
    )
