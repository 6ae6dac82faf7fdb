"""What an adapter's header must say, because llama.cpp or this program relies on it.

header ──check_lora──> pairs of matrices | InvalidInput: no LoRA, and why
header, base's header ──check_fits──> nothing, or InvalidInput: which target the base does not have
"""

from __future__ import annotations

import math
from typing import NamedTuple

from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader, Tensor
from pluralism_local.models.rules import NO_WEIGHTS, layer_of
from pluralism_local.models.vocabulary_rules import token_count

A, B = ".lora_a", ".lora_b"
ALPHA, INVOCATION = "adapter.lora.alpha", "adapter.alora.invocation_tokens"
MAX_INVOCATION = 4096  # tokens; an assistant's header has about four
_F32, _ARRAY, _U32 = 6, 9, 4  # GGUF's value types
_ARCHITECTURE = "general.architecture"


class MatrixPair(NamedTuple):
    """The matrices of one target. GGUF order: `a` is (in, rank), `b` is (rank, out)."""

    target: str
    a: Tensor
    b: Tensor


def check_lora(header: GGUFHeader) -> list[MatrixPair]:
    """The pairs of a LoRA whose header can be relied on.

    Raises:
        InvalidInput: it is no LoRA, or has keys or tensors that llama.cpp could not use.
    """
    kind = (header.text("general.type"), header.text("adapter.type"))
    if kind != ("adapter", "lora"):
        raise InvalidInput(
            f"{header.path} is not a LoRA adapter (general.type {kind[0]!r:.40}, adapter.type {kind[1]!r:.40}).",
            "A card's adapter is a LoRA in GGUF; a whole model is given with -m.",
        )
    if not header.text(_ARCHITECTURE):
        raise InvalidInput(f"{header.path} does not name the architecture of its base.")
    alpha = header.metadata.get(ALPHA)
    if (
        not isinstance(alpha, float)
        or not math.isfinite(alpha)
        or header.kinds.get(ALPHA) not in (None, (_F32,))
    ):
        raise InvalidInput(f"{header.path} has alpha {alpha!r:.40}, which is no number in F32.")
    invocation_tokens(header)
    return _pairs(header)


def invocation_tokens(header: GGUFHeader) -> tuple[int, ...]:
    """Tokens that switch an activated LoRA on; empty for one that acts always.

    Raises:
        InvalidInput: what stands there is no list of token ids.
    """
    stored = header.metadata.get(INVOCATION)
    if stored is None:
        return ()
    of_ids = header.kinds.get(INVOCATION, (_ARRAY, _U32)) == (_ARRAY, _U32) and isinstance(stored, list)
    if not of_ids or not 0 < len(stored) <= MAX_INVOCATION or max(stored) >= 2**31:
        raise InvalidInput(
            f"{header.path} has invocation tokens that are no list of 1 to {MAX_INVOCATION:,} token ids.",
            "Export the adapter again.",
        )
    return tuple(stored)


def check_fits(header: GGUFHeader, base: GGUFHeader) -> None:
    """Check an adapter's targets, shapes and tokens against its base.

    Raises:
        InvalidInput: it was made for another base, and what shows that.
    """
    architecture, expected = header.text(_ARCHITECTURE), base.text(_ARCHITECTURE)
    if architecture != expected:
        raise _other_base(
            header, f"it is for the architecture {architecture!r:.40}, the model is {expected!r:.40}"
        )
    tensors = {tensor.name: tensor for tensor in base.tensors}
    layers = 1 + max((layer_of(name) or 0 for name in tensors), default=0)
    for target, a, b in check_lora(header):
        weight = tensors.get(target)
        if weight is None:
            layer = layer_of(target)
            if layer is not None and layer >= layers:
                raise _other_base(header, f"it changes layer {layer}, and the model has {layers}, from 0 on")
            raise _other_base(
                header, f"it changes {target!r:.80}, which the model has not", did_you_mean(target, tensors)
            )
        if len(weight.shape) != 2 or (a.shape[0], b.shape[1]) != weight.shape:
            shape = f"{a.shape[0]} by {b.shape[1]}"
            raise _other_base(
                header, f"{target!r:.80} is {' by '.join(map(str, weight.shape))} there and {shape} here"
            )
    largest = max(invocation_tokens(header), default=0)
    if largest >= (token_count(base) or largest + 1):
        raise _other_base(
            header, f"it is switched on by the token {largest:,}, and the model has {token_count(base):,}"
        )


def _pairs(header: GGUFHeader) -> list[MatrixPair]:
    tensors = {tensor.name: tensor for tensor in header.tensors}
    targets = [name.removesuffix(A) for name in tensors if name.endswith(A)]
    alone = tensors.keys() - {f"{target}{suffix}" for target in targets for suffix in (A, B)}
    missing = [target for target in targets if f"{target}{B}" not in tensors]
    if not targets or alone or missing:
        example = next(iter(sorted(alone) + missing), "none at all")
        raise InvalidInput(f"{header.path} is not made of pairs of LoRA matrices ({example!r:.80}).")
    for tensor in header.tensors:
        if len(tensor.shape) != 2 or not tensor.elements:
            raise InvalidInput(
                f"{header.path} has LoRA matrices that are not matrices ({tensor.name!r:.80})."
            )
        if tensor.type in NO_WEIGHTS or tensor.type not in GGML_TYPES:
            raise InvalidInput(
                f"{header.path} has matrices of a type that weights cannot be ({tensor.name!r:.80})."
            )
    pairs = [MatrixPair(target, tensors[f"{target}{A}"], tensors[f"{target}{B}"]) for target in targets]
    for target, a, b in pairs:
        if a.shape[1] != b.shape[0]:
            raise InvalidInput(
                f"{header.path} has matrices of rank {a.shape[1]} and {b.shape[0]} for one target ({target!r:.80})."
            )
    return pairs


def _other_base(header: GGUFHeader, why: str, hint: str = "") -> InvalidInput:
    return InvalidInput(
        f"The adapter {header.path} does not belong to this model: {why}.",
        hint or "Use it with the base that its card names.",
    )
