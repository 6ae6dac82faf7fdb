"""Which quantizations of a model are worth trying here, and about how large they are: pure planning, from its header.

    header, processor, what the user named ──plan──> FileTypeCandidate…, LeftOut…

llama.cpp multiplies fastest what it keeps once more in another order ("repacked") or has block products for. On x86
with AVX2 that is Q4_0, IQ4_NL, Q4_K and Q8_0; Arm has it for Q5_K and Q6_K, too. A copy larger than its source holds
nothing more, and memory decides how fast answers come: it is tried only for a source whose own type is slow.
"""

from __future__ import annotations

import platform
from collections.abc import Collection
from dataclasses import dataclass

from pluralism_local.engine.fast_weights import slow_type
from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.model_names import COPY_TYPES
from pluralism_local.models.details import FILE_TYPES

UNQUANTIZED = frozenset({"F32", "F16", "BF16"})

_EVERYWHERE = ("Q4_0", "Q4_K_M", "Q8_0")
_ON_ARM = ("Q5_K_M", "Q6_K")
_SLOW_TO_WRITE = "IQ4_NL"
"""As fast as Q4_0 and nearer to the source, but seen to take 27 times as long to write."""

_BITS = {"Q4_0": 4.5, "IQ4_NL": 4.6, "Q4_K_M": 4.95, "Q5_K_M": 5.8, "Q6_K": 6.57, "Q8_0": 8.5}
_BITS_OF_ODD_ROWS = {"Q4_K_M": 6.1, "Q5_K_M": 6.6, "Q6_K": 8.5}
"""Bits a weight that llama.cpp writes, on average; rows that no block of 256 divides get the next older types."""

_OUTPUT_BITS, _OUTPUT_BITS_OF_ODD_ROWS = 6.57, 8.5
"""Of the matrix that makes logits, at least."""

_SAME_SIZE = 1.02


@dataclass(frozen=True, slots=True)
class FileTypeCandidate:
    """A file type, and the bytes that the model takes in it, within some percent."""

    kind: str
    expected_bytes: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file type that is not tried, and why, as a clause."""

    kind: str
    reason: str


def find_kind(text: str) -> str:
    """The file type that `text` names, in any case.

    Raises: InvalidInput for one that copies are not written in.
    """
    kinds = {kind.lower(): kind for kind in COPY_TYPES}
    if text.lower() not in kinds:
        raise InvalidInput(
            f"'{text}' is no quantization that is tried here.", did_you_mean(text.upper(), COPY_TYPES)
        )
    return kinds[text.lower()]


def plan(
    header: GGUFHeader, named: Collection[str] = (), machine: str | None = None
) -> tuple[list[FileTypeCandidate], list[LeftOut]]:
    """What to try, smallest first, and what not.

    Args:
        header: the source's, whole.
        named: kinds that the user asks for, instead of all that are fast here.
        machine: as `platform.machine()` names it, by default this one.

    Raises:
        InvalidInput: nothing is left, or a kind that the user named is left out.
    """
    arm = (machine or platform.machine()).lower() in ("arm64", "aarch64")
    usual = (*_EVERYWHERE, *(_ON_ARM if arm else ()))
    candidates, left_out = [], []
    for kind in COPY_TYPES:
        reason = _why_not(header, kind)
        if not reason and not named and kind == _SLOW_TO_WRITE:
            reason = f"writing it takes many times as long; try it with --try {kind}"
        if reason and (kind in named or kind in (*usual, _SLOW_TO_WRITE)):
            left_out.append(LeftOut(kind, reason))
        elif kind in (named or usual):
            candidates.append(FileTypeCandidate(kind, expected_bytes(header, kind)))
    refused = [left for left in left_out if left.kind in named]
    if refused:
        raise InvalidInput(f"{refused[0].kind} is not tried: {refused[0].reason}.", "Name another type.")
    if not candidates:
        reasons = "; ".join(f"{left.kind}: {left.reason}" for left in left_out)
        raise InvalidInput(
            f"There is nothing to try for this model ({reasons}).",
            "A file of the same model in F16 or Q8_0 leaves more to try.",
        )
    return candidates, left_out


def declared_type(header: GGUFHeader) -> str:
    """The source's file type as it declares it; "" if it does not."""
    return FILE_TYPES.get(header.integer("general.file_type"), "")


def expected_bytes(header: GGUFHeader, kind: str) -> int:
    """About how many bytes the model takes in `kind`."""
    names = {tensor.name for tensor in header.tensors}
    makes_logits = "output.weight" if "output.weight" in names else "token_embd.weight"
    weights = sum(_bytes(tensor, kind, tensor.name == makes_logits) for tensor in header.tensors)
    return header.data_offset + round(weights)


def _bytes(tensor: Tensor, kind: str, makes_logits: bool) -> float:
    if len([length for length in tensor.shape if length > 1]) < 2:  # norms and biases stay as they are
        return tensor.nbytes or tensor.elements * 4
    is_odd = bool(tensor.shape[0] % 256)
    bits = _BITS_OF_ODD_ROWS.get(kind, _BITS[kind]) if is_odd else _BITS[kind]
    if makes_logits:
        bits = max(bits, _OUTPUT_BITS_OF_ODD_ROWS if is_odd else _OUTPUT_BITS)
    return tensor.elements * bits / 8


def _why_not(header: GGUFHeader, kind: str) -> str:
    """Why `kind` is not worth trying for this source; "" if it is."""
    if declared_type(header) == kind:
        return "the source has this type"
    size = expected_bytes(header, kind)
    if slow_type(header) is None and size > header.file_bytes * _SAME_SIZE:
        return f"it would be larger than the source ({size / 1e6:,.0f} against {header.file_bytes / 1e6:,.0f} MB)"
    return ""
