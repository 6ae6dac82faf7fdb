"""Seeded mutants of a GGUF file: as a damaged disk, a broken converter or an attacker would leave it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.mutations.draft import ARRAY, FORMATS, STRING, Draft, Entry

EXTREMES: tuple[float, ...] = (
    0, 1, 2, 3, 5, 7, 8, 16, 31, 33, 64, 255, 256, 257, 511, 512, 513, 1024, 4096, 65_536, 10**6, 2**30, 2**31 - 1,
    2**31, 2**32 - 1, 2**63, -1, -2, -5, 1e-5, 0.5, -0.5, 1e30, -1e30, math.nan, math.inf, -math.inf,
)  # fmt: skip
TEXTS = (
    b"", b"\0", b"a\0b", b"\xff\xfe", b" ", b"<0x0A>", b"<0x>", b"<0xZZ>", b"none", b"no_vocab", b"bert", b"t5",
    b"rwkv", b"gpt2", b"llama", b"llama-bpe", b"default", b"qwen2", b"linear", b"yarn", b"longrope", b"x" * 70,
    b"{{", b"{% x", b"adapter", b"model", b"lora", "▁".encode(), "日本".encode(), b"[EMPTY_3]", b"plamo2",
    b"test", b"hybriddna",
)  # fmt: skip
ARCHITECTURES = (
    b"llama", b"qwen2", b"qwen3", b"gemma", b"gemma2", b"gemma3", b"phi2", b"phi3", b"gpt2", b"falcon", b"bert",
    b"t5", b"t5encoder", b"mamba", b"mamba2", b"rwkv6", b"rwkv7", b"clip", b"deci", b"granite", b"olmo",
    b"olmo2", b"smollm3", b"mistral3", b"llama4", b"gemma3n", b"stablelm", b"starcoder2", b"command-r",
    b"minicpm", b"internlm2", b"dream", b"llada", b"deepseek2", b"gpt-oss", b"jamba", b"lfm2", b"plamo2",
    b"nomic-bert", b"gemma-embedding", b"wavtokenizer-dec", b"llama-embed", b"qwen2vl", b"chatglm", b"exaone4",
    b"nemotron", b"apertus", b"seed-oss", b"arcee", b"ernie4_5", b"xyz",
)  # fmt: skip
OPTIONAL_KEYS = (
    "expert_count", "expert_used_count", "attention.key_length", "attention.value_length", "rope.scaling.type",
    "rope.scaling.factor", "rope.scale_linear", "attention.sliding_window", "attention.causal", "pooling_type",
    "attention.layer_norm_epsilon", "nextn_predict_layers", "logit_scale", "attention.scale", "embedding_length_out",
    "rope.scaling.original_context_length", "attention.max_alibi_bias", "expert_group_count", "attention.clamp_kqv",
    "rope.dimension_sections", "attention.head_count", "feed_forward_length", "attention.head_count_kv",
    "decoder_block_count", "attention.sliding_window_pattern", "rope.dimension_count", "block_count",
)  # fmt: skip
TOKENIZER_KEYS = (
    "add_bos_token", "add_eos_token", "add_space_prefix", "bos_token_id", "eos_token_id", "eot_token_id", "pre",
    "unknown_token_id", "padding_token_id", "precompiled_charsmap", "suppress_tokens", "remove_extra_whitespaces",
)  # fmt: skip
TENSOR_TYPES = (*range(42), 100, 2**32 - 1)


def mutant(draft: Draft, rng: random.Random) -> bytes:
    """One mutant: one to three changes of the parts, or of the bytes."""
    if rng.random() < 0.25:
        return _bytes_changed(draft, rng)
    changed = deepcopy(draft)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if changed.entries and changed.slots:
            rng.choice(CHANGES)(changed, rng)
    return changed.content()


def _bytes_changed(draft: Draft, rng: random.Random) -> bytes:
    content = bytearray(draft.content())
    header = len(content) - len(draft.data)
    if rng.random() < 0.2:
        return bytes(content[: rng.randrange(len(content))])
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(4, header)
        content[at] = rng.choice((content[at] ^ 1 << rng.randrange(8), 0, 1, 255, rng.randrange(256)))
    return bytes(content)


def _scalars(draft: Draft) -> list[Entry]:
    return [entry for entry in draft.entries if entry.kinds[0] not in (ARRAY, STRING)]


def _arrays(draft: Draft) -> list[Entry]:
    return [entry for entry in draft.entries if entry.kinds[0] == ARRAY and isinstance(entry.value, list)]


def _set_number(draft: Draft, rng: random.Random) -> None:
    if scalars := _scalars(draft):
        rng.choice(scalars).value = rng.choice(EXTREMES)


def _set_text(draft: Draft, rng: random.Random) -> None:
    texts = [entry for entry in draft.entries if entry.kinds[0] == STRING]
    if texts:
        rng.choice(texts).value = rng.choice(TEXTS)


def _set_type(draft: Draft, rng: random.Random) -> None:
    entry = rng.choice(draft.entries)
    kind = rng.choice((*FORMATS, STRING))
    if rng.random() < 0.3:
        entry.kinds = (ARRAY, kind)
        entry.value = (
            entry.value if isinstance(entry.value, list) else [entry.value] * rng.choice((0, 1, 2, 3, 600))
        )
    else:
        entry.kinds = (kind,)
        entry.value = entry.value[0] if isinstance(entry.value, list) and entry.value else entry.value
        entry.value = rng.choice(EXTREMES) if isinstance(entry.value, list | bytes) else entry.value


def _set_element_type(draft: Draft, rng: random.Random) -> None:
    if arrays := _arrays(draft):
        rng.choice(arrays).kinds = (ARRAY, rng.choice((*FORMATS, STRING)))


def _edit_array(draft: Draft, rng: random.Random) -> None:
    arrays = _arrays(draft)
    if not arrays:
        return
    entry = rng.choice(arrays)
    values = list(entry.value)
    at = rng.randrange(len(values)) if values else 0
    edit = rng.randrange(7)
    if edit == 0 and values:
        values[at] = values[rng.randrange(len(values))]
    elif edit == 1:
        del values[at : at + rng.choice((1, 2, 100, len(values)))]
    elif edit == 2:
        values.insert(at, _any_value(entry.kinds[1], rng))
    elif edit == 3 and values:
        values[at] = _any_value(entry.kinds[1], rng)
    elif edit == 4 and values:
        values = values[:at] + [_any_value(entry.kinds[1], rng)] * rng.choice((1, 2, 40)) + values[at:]
    elif edit == 5:
        rng.shuffle(values)
    else:
        values = [_any_value(entry.kinds[1], rng)] * len(values)
    entry.value = values


def _any_value(kind: int, rng: random.Random) -> Any:
    return rng.choice(TEXTS) if kind == STRING else rng.choice(EXTREMES)


def _rename_key(draft: Draft, rng: random.Random) -> None:
    entry = rng.choice(draft.entries)
    entry.name = rng.choice((entry.name[:-1], entry.name + b"x", rng.choice(draft.entries).name, b""))


def _drop_key(draft: Draft, rng: random.Random) -> None:
    draft.entries.pop(rng.randrange(len(draft.entries)))


def _add_key(draft: Draft, rng: random.Random) -> None:
    name = f"{_architecture(draft)}.{rng.choice(OPTIONAL_KEYS)}".encode()
    draft.entries[:] = [entry for entry in draft.entries if entry.name != name]
    kind = rng.choice((4, 4, 4, 6, 6, 7, 8, 5, 9))
    value: Any = rng.choice(TEXTS) if kind == STRING else rng.choice(EXTREMES)
    if kind == ARRAY:
        element = rng.choice((4, 5, 6))
        values = [rng.choice(EXTREMES) for _ in range(rng.choice((0, 1, 2, 2, 2, 4, 513)))]
        draft.entries.append(Entry(name, (ARRAY, element), values))
    else:
        draft.entries.append(Entry(name, (kind,), value))


def _add_tokenizer_key(draft: Draft, rng: random.Random) -> None:
    which = rng.choice(TOKENIZER_KEYS)
    name = f"tokenizer.ggml.{which}".encode()
    draft.entries[:] = [entry for entry in draft.entries if entry.name != name]
    if which.startswith(("add", "remove")):
        draft.entries.append(Entry(name, (7,), rng.choice((0, 1))))
    elif which in ("precompiled_charsmap", "suppress_tokens"):
        values = [rng.choice(EXTREMES) for _ in range(rng.choice((0, 1, 3, 4, 9)))]
        draft.entries.append(Entry(name, (ARRAY, rng.choice((0, 1, 5))), values))
    elif which == "pre":
        draft.entries.append(Entry(name, (STRING,), rng.choice(TEXTS)))
    else:
        draft.entries.append(Entry(name, (4,), rng.choice(EXTREMES)))


def _two_keys(draft: Draft, rng: random.Random) -> None:
    draft.entries.insert(rng.randrange(len(draft.entries)), deepcopy(rng.choice(draft.entries)))


def _other_architecture(draft: Draft, rng: random.Random) -> None:
    old, new = _architecture(draft).encode(), rng.choice(ARCHITECTURES)
    for entry in draft.entries:
        if entry.name == b"general.architecture":
            entry.value = new
        elif rng.random() < 0.95 and entry.name.startswith(old + b"."):
            entry.name = new + entry.name[len(old) :]
            if rng.random() < 0.5:
                entry.name = entry.name.replace(b"_rms_epsilon", b"_epsilon")


def _tensor_type(draft: Draft, rng: random.Random) -> None:
    kind = rng.choice(TENSOR_TYPES)
    for slot in draft.slots if rng.random() < 0.1 else [rng.choice(draft.slots)]:
        slot.type = kind


def _same_bytes_as_integers(draft: Draft, rng: random.Random) -> None:
    """A type of as many bytes, so that everything but the type is as it was."""
    slots = draft.slots if rng.random() < 0.2 else [rng.choice(draft.slots)]
    for slot in slots:
        slot.type = 26 if slot.type == 0 else 25


def _shape(draft: Draft, rng: random.Random) -> None:
    slot = rng.choice(draft.slots)
    edit = rng.randrange(5)
    if edit == 0:
        slot.shape.reverse()
    elif edit == 1:
        slot.shape = [math.prod(slot.shape)]
    elif edit == 2:
        slot.shape.append(rng.choice((0, 1, 2)))
    elif slot.shape:
        at = rng.randrange(len(slot.shape))
        slot.shape[at] = int(rng.choice((0, 1, slot.shape[at] + 1, slot.shape[at] - 1, 2**31, 2**63, 64)))


def _tensor_place(draft: Draft, rng: random.Random) -> None:
    slot = rng.choice(draft.slots)
    slot.offset = rng.choice((0, 32, slot.offset + 32, slot.offset + 1, 2**63, len(draft.data)))


def _tensor_name(draft: Draft, rng: random.Random) -> None:
    slot = rng.choice(draft.slots)
    slot.name = rng.choice(
        (b"", slot.name + b"x", slot.name.replace(b"blk.0", b"blk.9"), slot.name.replace(b"weight", b"bias"),
         rng.choice(draft.slots).name, b"x" * 80, b"output.weight", b"rope_freqs.weight", b"blk.0.attn_q.bias",
         slot.name.replace(b"attn_q", b"attn_k"), slot.name.replace(b".lora_a", b".lora_b"), b"blk.0.attn_norm.weight")
    )  # fmt: skip


def _drop_tensor(draft: Draft, rng: random.Random) -> None:
    draft.slots.pop(rng.randrange(len(draft.slots)))


def _architecture(draft: Draft) -> str:
    value = next((entry.value for entry in draft.entries if entry.name == b"general.architecture"), b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else "llama"


CHANGES: tuple[Callable[[Draft, random.Random], None], ...] = (
    _set_number, _set_number, _set_number, _set_text, _set_type, _set_element_type, _edit_array, _edit_array,
    _rename_key, _drop_key, _add_key, _add_key, _add_tokenizer_key, _two_keys, _other_architecture, _tensor_type,
    _same_bytes_as_integers, _shape, _tensor_place, _tensor_name, _drop_tensor,
)  # fmt: skip
