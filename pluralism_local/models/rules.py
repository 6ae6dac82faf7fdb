"""What a model's header must say, because llama.cpp relies on it and ends the process where it is not so.

    header ──check_model──> nothing, or InvalidInput: which key or tensor is at fault, and what it must be

Only what holds for every architecture that generates text is checked, and leniently: an array stands for one value
per layer, a key that is not there has llama.cpp's default, and what llama.cpp refuses by itself with a sentence (a
missing tensor, another shape than the header's numbers give) is left to it. `vocabulary_rules` looks at the tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader, Tensor
from pluralism_local.models.vocabulary_rules import check_vocabulary, token_count

RULES = "by rules 1"
"""Changes with what is checked here and in `vocabulary_rules`, so that files seen before are looked at again."""

MAX_LAYERS = 512  # llama.cpp's LLAMA_MAX_LAYERS
MAX_EXPERTS = 1024  # llama.cpp's LLAMA_MAX_EXPERTS
_MAX_LENGTH = 2**24  # of any side of a layer; the widest models in use have some 50,000
_MAX_CONTEXT = 2**31 - 1

_HINT = "The file was damaged or badly converted: get it again, from another source if need be."

# These read a text or something else, and write none: encoders, projectors, codecs, draft heads.
_NOT_GENERATING = {
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert",
    "gemma-embedding", "llama-embed", "t5encoder", "t5", "clip", "wavtokenizer-dec", "dream",
    "llada", "llada-moe", "rnd1", "eagle3", "dflash", "gemma4-assistant", "pockettts", "qwen3tts",
}  # fmt: skip
_ONE_EXPERT_IS_NONE = ("hunyuan-dense", "hunyuan_vl")
_WITH_EMPTY_LAYERS = ("deci",)  # pruned models, in which a layer may hand on what it gets
# Architectures for which llama.cpp asserts that a head's values are as long as its keys, and of these the ones whose
# position is rotated into the whole of it.
_WHOLE_HEADS = {
    "apertus", "arcee", "arctic", "baichuan", "chameleon", "codeshell", "cogvlm", "cohere2moe", "dbrx", "deci",
    "deepseek", "dots1", "ernie4_5", "ernie4_5-moe", "exaone", "falcon", "granite", "granite_swa",
    "graniteswitch", "grok", "grovemoe", "hunyuan-dense", "hunyuan-moe", "hunyuan_vl", "hy_v3", "internlm2",
    "jais2", "llama", "llama4", "maincoder", "mellum", "mistral3", "olmo", "olmo2", "olmoe", "orion",
    "paddleocr", "pangu-embedded", "plamo", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl",
    "qwen3vlmoe", "seed_oss", "smallthinker", "smollm3", "starcoder2", "xverse",
}  # fmt: skip
_EQUAL_HEADS = _WHOLE_HEADS | {
    "afmoe", "bailingmoe2", "bitnet", "bloom", "chatglm", "cohere2", "command-r", "glm4", "glm4moe", "gpt2",
    "gptneox", "granitehybrid", "jais", "laguna", "minimax-m2", "mpt", "nemotron", "nemotron_h",
    "nemotron_h_moe", "openelm", "phi2", "phi3", "qwen", "qwen35", "qwen35moe", "qwen3next", "refact",
    "spark2_5", "stablelm", "starcoder",
}  # fmt: skip
_WITHOUT_ROPE = {
    "gpt2", "gptj", "mpt", "refact", "bloom", "jamba", "jais", "nemotron_h", "nemotron_h_moe", "kimi-linear", "kimi-k3",
    "glm5-next",
}  # fmt: skip
_ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
_EPSILONS = (
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.group_norm_epsilon",
)

_F32 = 0
NO_WEIGHTS = {24, 25, 26, 27, 28}  # I8, I16, I32, I64, F64: for indices, and not multiplied by
_INTERMEDIATE = {9: "Q8_1", 15: "Q8_K"}  # what activations are quantized to on the way, never a file's type
_INDICES = ("tid2eid", "d2t", "t2d")  # tensors that hold indices, and are no weights
_VECTORS = (
    "_norm.weight",
    ".bias",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
)


class _Range(NamedTuple):
    """What a whole number may be, and whether the key must be there."""

    least: int
    most: int
    required: bool = False


_NUMBERS = {
    "block_count": _Range(1, MAX_LAYERS, required=True),
    "context_length": _Range(1, _MAX_CONTEXT, required=True),
    "embedding_length": _Range(1, _MAX_LENGTH, required=True),
    "embedding_length_out": _Range(0, _MAX_LENGTH),
    "feed_forward_length": _Range(0, _MAX_LENGTH),
    "expert_feed_forward_length": _Range(0, _MAX_LENGTH),
    "attention.head_count": _Range(0, _MAX_LENGTH),
    "attention.head_count_kv": _Range(0, _MAX_LENGTH),
    "attention.key_length": _Range(1, _MAX_LENGTH),
    "attention.value_length": _Range(1, _MAX_LENGTH),
    "attention.key_length_swa": _Range(1, _MAX_LENGTH),
    "attention.value_length_swa": _Range(1, _MAX_LENGTH),
    "rope.dimension_count": _Range(0, _MAX_LENGTH),
    "rope.dimension_count_swa": _Range(0, _MAX_LENGTH),
    "expert_count": _Range(0, MAX_EXPERTS),
    "expert_used_count": _Range(0, MAX_EXPERTS),
    "expert_group_count": _Range(0, MAX_EXPERTS),
    "expert_group_used_count": _Range(0, MAX_EXPERTS),
    "vocab_size": _Range(1, _MAX_LENGTH),
}


def check_model(header: GGUFHeader) -> None:
    """Check the header of a whole model, the tensors of all its parts included.

    Raises:
        InvalidInput: it cannot be run, and why.
    """
    rules = _Rules(header)
    rules.check_architecture()
    rules.check_numbers()
    rules.check_heads()
    rules.check_experts()
    rules.check_tensors()
    rules.check_projections()
    check_vocabulary(header)
    rules.check_embedding()


class _Rules:
    def __init__(self, header: GGUFHeader) -> None:
        self.header = header
        self.architecture = header.text("general.architecture") or ""

    def check_architecture(self) -> None:
        causal = self.header.metadata.get(f"{self.architecture}.attention.causal", True)
        if self.architecture in _NOT_GENERATING or causal is False:
            raise InvalidInput(
                f"{self.header.path} does not generate text: its architecture is {self.architecture!r:.60}"
                f"{'' if causal else ', and it looks at a text as a whole'}.",
                "Give a language model; those for embeddings, images or speech are of another kind.",
            )

    def check_numbers(self) -> None:
        for key, allowed in _NUMBERS.items():
            values = list(self._values(key))
            if allowed.required and len(values) != 1:
                raise self._wrong(key, "is missing" if not values else "is a list, not one number")
            for value in values:
                if isinstance(value, bool) or not isinstance(value, int):
                    raise self._wrong(key, f"is {value!r:.40}, not a whole number")
                if not allowed.least <= value <= allowed.most:
                    raise self._wrong(key, f"is {value:,}; it must be {allowed.least} to {allowed.most:,}")
        layers = self._layers()
        for key in (
            "feed_forward_length",
            "attention.head_count",
            "attention.head_count_kv",
            "expert_used_count",
        ):
            stored = self.header.metadata.get(f"{self.architecture}.{key}")
            if isinstance(stored, list) and len(stored) != layers:
                raise self._wrong(key, f"has {len(stored)} values for {layers} layers")
        predicting = self._number("nextn_predict_layers")
        if not 0 <= predicting < layers:
            raise self._wrong("nextn_predict_layers", f"is {predicting:,} of {layers} layers")
        self._check_fractions()

    def _check_fractions(self) -> None:
        for key, value in self.header.metadata.items():
            if not key.startswith(f"{self.architecture}."):
                continue
            values = value if isinstance(value, list) else [value]
            if any(isinstance(number, float) and math.isnan(number) for number in values):
                raise self._wrong(key.removeprefix(f"{self.architecture}."), "is no number (NaN)")
        for key in _EPSILONS:
            for number in self._values(key):
                if not isinstance(number, float) or not 0 <= number < math.inf:
                    raise self._wrong(key, f"is {number!r:.40}; it must be a small positive number")
        scaling = self.header.metadata.get(f"{self.architecture}.rope.scaling.type", "linear")
        if scaling not in _ROPE_SCALINGS:
            raise self._wrong(
                "rope.scaling.type", f"is {scaling!r:.40}, not one of {', '.join(_ROPE_SCALINGS)}"
            )

    def check_heads(self) -> None:
        """Heads share keys and values in equal groups, and rotate no more dimensions than they have."""
        heads, kv_heads = (list(self._values(f"attention.{key}")) for key in ("head_count", "head_count_kv"))
        attends = any(".attn_q.weight" in t.name or ".attn_qkv.weight" in t.name for t in self.header.tensors)
        if attends and not any(heads):
            raise self._wrong("attention.head_count", "is 0 or missing, and the model has attention")
        if attends and kv_heads and not any(kv_heads):
            raise self._wrong("attention.head_count_kv", "is 0, and the model has attention")
        layers = self._layers()
        pairs = zip(_per_layer(heads, layers), _per_layer(kv_heads or heads, layers), strict=False)
        for all_heads, kv in pairs:
            if all_heads and kv and all_heads % kv:
                raise self._wrong(
                    "attention.head_count_kv", f"is {kv}, which does not divide the {all_heads} heads"
                )
        if heads and heads[0]:
            self._check_head_length(heads[0])

    def _check_head_length(self, heads: int) -> None:
        embedding = self._number("embedding_length")
        key_length = self._number("attention.key_length")
        if not key_length and embedding % heads:
            raise self._wrong(
                "attention.head_count", f"is {heads}, which does not divide the embedding's {embedding}"
            )
        key_length = key_length or embedding // heads
        value_length = self._number("attention.value_length") or embedding // heads
        if self.architecture in _EQUAL_HEADS and key_length != value_length:
            raise self._wrong("attention.key_length", f"is {key_length}, and the values' {value_length}")
        for ending in ("", "_swa"):
            length = self._number(f"attention.key_length{ending}") or key_length
            rotated = next(self._values(f"rope.dimension_count{ending}"), None)
            least = 0 if self.architecture in _WITHOUT_ROPE else 2  # llama.cpp never ends rotating none
            if rotated is not None and (not least <= rotated <= length or rotated % 2):
                what = f"is {rotated}; it must be even and {least} to {length}"
                raise self._wrong(f"rope.dimension_count{ending}", what)
        rotated = next(self._values("rope.dimension_count"), key_length)
        if self.architecture in _WHOLE_HEADS and rotated != key_length:
            raise self._wrong(
                "rope.dimension_count", f"is {rotated}; it must be {key_length}, as long as a head"
            )

    def check_projections(self) -> None:
        """Queries and keys of a layer are its heads' together; llama.cpp cuts them up without asking."""
        layers = self._layers()
        heads = _per_layer(list(self._values("attention.head_count")), layers)
        if self.architecture not in _WHOLE_HEADS or not any(heads):
            return
        key_length = self._number("attention.key_length") or self._number("embedding_length") // max(heads)
        kv_heads = _per_layer(list(self._values("attention.head_count_kv")), layers) or heads
        for tensor in self.header.tensors:
            layer = layer_of(tensor.name)
            for ending, counts in ((".attn_q.weight", heads), (".attn_k.weight", kv_heads)):
                if layer is None or layer >= layers or not tensor.name.endswith(ending):
                    continue
                if len(tensor.shape) != 2 or tensor.shape[1] != counts[layer] * key_length:
                    raise InvalidInput(
                        f"{self.header.path} cannot be run: the tensor {tensor.name!r:.80} has the shape "
                        f"{list(tensor.shape)}, and the header says {counts[layer]} heads of {key_length}.",
                        _HINT,
                    )

    def check_experts(self) -> None:
        count = self._number("expert_count")
        if self.architecture in _ONE_EXPERT_IS_NONE and count <= 1:
            return
        used = max(self._values("expert_used_count"), default=0)
        groups, groups_used = self._number("expert_group_count"), self._number("expert_group_used_count")
        if used > count or (count and not used):
            raise self._wrong("expert_used_count", f"is {used} of {count} experts")
        if groups and groups >= count:
            raise self._wrong("expert_group_count", f"is {groups} for {count} experts")
        if groups > 1 and (count % groups or not 0 < groups_used < groups):
            raise self._wrong(
                "expert_group_used_count", f"is {groups_used} of {groups} groups of {count} experts"
            )

    def check_tensors(self) -> None:
        if not self.header.tensors:
            raise InvalidInput(f"{self.header.path} has no tensors, so it is no model.", _HINT)
        filled = {layer_of(tensor.name) for tensor in self.header.tensors}
        empty = [layer for layer in range(self._layers()) if layer not in filled]
        if empty and self.architecture not in _WITH_EMPTY_LAYERS:
            raise InvalidInput(
                f"{self.header.path} has no tensors for layer {empty[0]} of {self._layers()}.", _HINT
            )
        for tensor in self.header.tensors:
            if problem := self._problem_of(tensor):
                raise InvalidInput(
                    f"{self.header.path} cannot be run: the tensor {tensor.name!r:.80} {problem}.", _HINT
                )

    def _problem_of(self, tensor: Tensor) -> str | None:
        if not tensor.elements:
            return f"has the shape {list(tensor.shape)}, so it is empty"
        if tensor.type in _INTERMEDIATE:
            return f"is stored as {_INTERMEDIATE[tensor.type]}, which is no type for files"
        if any(word in tensor.name for word in _INDICES):
            return None
        if tensor.type in NO_WEIGHTS:
            return f"is stored as {GGML_TYPES[tensor.type].name}, and weights cannot be"
        if tensor.name.endswith(_VECTORS) and tensor.type != _F32:
            return f"is stored as {_type_name(tensor)}, and must be F32"
        layer = layer_of(tensor.name)
        if layer is not None and layer >= self._layers():
            return f"belongs to layer {layer}, and the header says that there are {self._layers()}"
        return None

    def check_embedding(self) -> None:
        tokens = token_count(self.header)
        embedding = self._number("embedding_length")
        for tensor in self.header.tensors:
            if tensor.name == "token_embd.weight" and tokens and tensor.shape != (embedding, tokens):
                shape = list(tensor.shape)
                raise InvalidInput(
                    f"{self.header.path} cannot be run: its token embedding has the shape {shape}, "
                    f"and the header says {embedding} by {tokens:,} tokens.",
                    _HINT,
                )
        if not any(tensor.name == "token_embd.weight" for tensor in self.header.tensors):
            raise InvalidInput(f"{self.header.path} has no token embedding (token_embd.weight).", _HINT)

    def _layers(self) -> int:
        return self._number("block_count")

    def _number(self, key: str) -> int:
        """The whole number of this key, or of its first layer; 0 if it is not there."""
        value = next(self._values(key), 0)
        return value if isinstance(value, int) else 0

    def _values(self, key: str) -> Iterator[int]:
        value = self.header.metadata.get(f"{self.architecture}.{key}")
        if value is not None:
            yield from value if isinstance(value, list) else [value]

    def _wrong(self, key: str, what: str) -> InvalidInput:
        return InvalidInput(f"{self.header.path} cannot be run: {self.architecture}.{key} {what}.", _HINT)


def _per_layer(values: list[int], layers: int) -> list[int]:
    return values if len(values) != 1 else values * layers


def _type_name(tensor: Tensor) -> str:
    block = GGML_TYPES.get(tensor.type)
    return block.name if block else f"type {tensor.type}"


def layer_of(name: str) -> int | None:
    """The layer that a tensor belongs to, None for those outside the blocks."""
    start, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    return (
        int(number) if start == "blk" and number.isascii() and number.isdigit() and len(number) < 10 else None
    )
