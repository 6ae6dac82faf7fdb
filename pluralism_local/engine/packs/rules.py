"""Which base and adapters can become a pack, and which tokens can be its control tokens: headers only.

    base ──base_reason──> None | a clause that says why not
    base, adapter ──adapter_reason──> None | a clause
    base, adapters ──spare_tokens──> token ids, best first

Everything that is not known to mean the same in a pack is refused: a setting or tensor left out in silence would
make another model of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader

PROJECTIONS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
"""The matrices of a layer that adapters may change."""

SETTINGS = frozenset(
    {
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.layer_norm_rms_epsilon",
        "attention.value_length",
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "rope.dimension_count",
        "rope.freq_base",
        "rope.scale_linear",
        "rope.scaling.attn_factor",
        "rope.scaling.factor",
        "rope.scaling.original_context_length",
        "rope.scaling.type",
        "vocab_size",
    }
)
"""Keys ``llama.*`` that mean the same in a pack."""

_SILENT_SETTINGS = frozenset({"rope.scaling.finetuned", "tensor_data_layout"})
"""Keys that a Llama is loaded without; in a pack the first one would turn RoPE off."""

_ADAPTER_TYPES = ("F32", "F16", "BF16")
_MAX_RANK = 4096  # llama.cpp's limit for this architecture
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5
_RESERVED_WORDS = ("unused", "reserved", "placeholder")
_MEANINGFUL_WORDS = (
    "end", "eos", "eot", "eom", "</s>", "[e~[", "turn", "return", "call", "flush", "tool",
    "fim", "repo", "file_sep", "bos", "pad", "unk", "mask",
)  # fmt: skip
"""Words in the texts of tokens that llama.cpp takes for ends of answers and the like, whatever the header says."""


def base_reason(base: GGUFHeader) -> str | None:
    """Why `base` cannot be packed, None if it can."""
    architecture = base.text("general.architecture")
    if architecture != "llama":
        return f"its architecture is {architecture!r}, and only 'llama' can be packed"
    if (base.integer("split.count") or 1) > 1:
        return "it is split into several files"
    return _setting_reason(base) or _head_reason(base) or _tensor_reason(base)


def adapter_reason(base: GGUFHeader, adapter: GGUFHeader, first_invocation_token: int) -> str | None:
    """Why `adapter` cannot be packed with `base` (for which `base_reason` is None), None if it can."""
    name = adapter.path.name
    kind = (adapter.text("general.architecture"), adapter.text("adapter.type"))
    if kind != ("llama", "lora"):
        return f"{name} is not a LoRA adapter for 'llama'"
    if not isinstance(adapter.metadata.get("adapter.lora.alpha", 0.0), float):
        return f"the alpha of {name} is not a number"
    invocation = _invocation(adapter)
    if invocation and invocation[0] != first_invocation_token:
        return f"{name} is switched on by token {invocation[0]}, not by {first_invocation_token}"
    targets = {
        tensor.name: tensor.shape for tensor in base.tensors if tensor.name.split(".")[-2] in PROJECTIONS
    }
    tensors = {tensor.name: tensor for tensor in adapter.tensors}
    if not tensors:
        return f"{name} has no matrices"
    for tensor in adapter.tensors:
        target, _, _ = tensor.name.rpartition(".")
        if target not in targets:
            return f"{name} changes {target or tensor.name}, and a pack has no place for that"
        a, b = tensors.get(f"{target}.lora_a"), tensors.get(f"{target}.lora_b")
        if a is None or b is None or tensor not in (a, b):
            return f"{name} has no pair of LoRA matrices at {target}"
        n_in, n_out = targets[target]
        rank = b.shape[0] if b.shape else 0
        if (a.shape, b.shape) != ((n_in, rank), (rank, n_out)) or not 1 <= rank <= _MAX_RANK:
            return f"the matrices of {name} do not fit {target}"
        if (found := _type_name(tensor.type)) not in _ADAPTER_TYPES:
            return f"{name} is stored as {found}, not as {', '.join(_ADAPTER_TYPES)}"
    return None


def spare_tokens(base: GGUFHeader, adapters: Iterable[GGUFHeader], first_invocation_token: int) -> list[int]:
    """Special tokens that nothing uses, best first: those named as unused or reserved, then by kind and id.

    Never a token that the header names (begin, end, padding, …), that llama.cpp takes for the end of an answer,
    that occurs in a chat template, or in an invocation.
    """
    metadata = base.metadata
    texts: list[str] = metadata["tokenizer.ggml.tokens"]
    kinds: list[int] = metadata["tokenizer.ggml.token_type"]
    named = {first_invocation_token}
    for key, value in metadata.items():
        if key.endswith(("_token_id", "_token_ids")):
            named.update(value if isinstance(value, list) else [value])
    named.update(token for adapter in adapters for token in _invocation(adapter))
    templates = "\n".join(
        str(value) for key, value in metadata.items() if key.startswith("tokenizer.chat_template")
    )
    order = (_UNUSED, _CONTROL, _USER_DEFINED)
    ranked = []
    for token, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
        if kind not in order or token in named or not text or text in templates:
            continue
        lower = text.lower()
        reserved = any(word in lower for word in _RESERVED_WORDS)
        if reserved or not any(word in lower for word in _MEANINGFUL_WORDS):
            ranked.append((not reserved, order.index(kind), token))
    return [token for _, _, token in sorted(ranked)]


def _setting_reason(base: GGUFHeader) -> str | None:
    for key, value in base.metadata.items():
        family, _, name = key.partition(".")
        if family != "llama" or name in SETTINGS or name in _SILENT_SETTINGS:
            continue
        if name.startswith("expert_"):
            if value:
                return "it is a mixture of experts"
        elif name.startswith("attention.sliding_window"):
            return "its attention has a sliding window"
        else:
            return f"its setting {key} has no counterpart in a pack"
    return None


def _head_reason(base: GGUFHeader) -> str | None:
    wanted = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count")
    for name in wanted:
        if (base.integer(f"llama.{name}") or 0) < 1:
            return f"its setting llama.{name} is not one number"
    kv_heads = base.metadata.get("llama.attention.head_count_kv", 1)
    if not isinstance(kv_heads, int) or kv_heads < 1:
        return "its setting llama.attention.head_count_kv is not one number"
    head = _head_length(base)
    lengths = {
        name: base.metadata.get(f"llama.{name}", head)
        for name in ("attention.value_length", "rope.dimension_count")
    }
    for name, length in lengths.items():
        if length != head:
            return f"its heads have {head} dimensions, but llama.{name} is {length}"
    return None


def _head_length(base: GGUFHeader) -> int:
    each = _number(base, "embedding_length") // _number(base, "attention.head_count")
    return base.integer("llama.attention.key_length") or each


def _tensor_reason(base: GGUFHeader) -> str | None:
    tokens = _list(base.metadata.get("tokenizer.ggml.tokens"))
    kinds = _list(base.metadata.get("tokenizer.ggml.token_type"))
    if not tokens or not isinstance(tokens[0], str) or len(tokens) != len(kinds):
        return "its vocabulary does not say which tokens are special"
    if _number(base, "block_count") > len(base.tensors):
        return "it has fewer tensors than layers"
    found = {tensor.name: tensor for tensor in base.tensors}
    expected = _expected_shapes(base, len(tokens))
    if "output.weight" in found:  # else it is tied to the embedding
        expected["output.weight"] = expected["token_embd.weight"]
    if unexpected := found.keys() - expected.keys():
        return _unexpected(min(unexpected))
    for name, shape in expected.items():
        if name not in found:
            return f"it lacks the tensor {name}"
        if found[name].shape != shape:
            return f"its tensor {name} has the shape {found[name].shape}, not {shape}"
        if found[name].nbytes is None:
            return f"its tensor {name} has a type unknown here"
    for layer in range(_number(base, "block_count")):
        types = [_type_name(found[f"blk.{layer}.attn_{which}.weight"].type) for which in "qkv"]
        if len(set(types)) > 1:
            listed = ", ".join(types)
            return f"the q, k and v of its layer {layer} have different quantizations ({listed})"
    return None


def _expected_shapes(base: GGUFHeader, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Name to shape (GGUF's order) of the tensors that every packable base has."""
    width, hidden = _number(base, "embedding_length"), _number(base, "feed_forward_length")
    heads = _number(base, "attention.head_count")
    kv_heads = base.integer("llama.attention.head_count_kv") or heads
    q, kv = heads * _head_length(base), kv_heads * _head_length(base)
    layer = {
        "attn_norm": (width,), "attn_q": (width, q), "attn_k": (width, kv), "attn_v": (width, kv),
        "attn_output": (q, width), "ffn_norm": (width,), "ffn_gate": (width, hidden),
        "ffn_up": (width, hidden), "ffn_down": (hidden, width),
    }  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (width, vocabulary),
        "output_norm.weight": (width,),
    }
    for number in range(_number(base, "block_count")):
        shapes |= {f"blk.{number}.{part}.weight": shape for part, shape in layer.items()}
    return shapes


def _unexpected(name: str) -> str:
    if name.endswith(".bias"):
        return f"it has biases ({name})"
    if "rope_" in name:
        return f"it scales the frequencies of its position encoding ({name})"
    if "attn_q_norm" in name or "attn_k_norm" in name:
        return f"it normalizes queries and keys ({name})"
    if "exp" in name or "ffn_gate_inp" in name:
        return f"it is a mixture of experts ({name})"
    return f"it has the tensor {name}, and a pack has no place for that"


def _invocation(adapter: GGUFHeader) -> Sequence[int]:
    return _list(adapter.metadata.get("adapter.alora.invocation_tokens"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(base: GGUFHeader, name: str) -> int:
    return base.integer(f"llama.{name}") or 1


def _type_name(kind: int) -> str:
    return GGML_TYPES[kind].name if kind in GGML_TYPES else f"type {kind}"
