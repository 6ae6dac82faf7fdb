"""Packs: one GGUF that holds a base model and k LoRA adapters, so that one batch serves k communities.

    base header, adapters ──plan_pack──> PackPlan | why there can be none
    PackPlan ──write_pack──> <out>, in llama.cpp's architecture `graniteswitch`

In a pack every sequence chooses its own weights. It begins in slot 0, the base; adapter i has a *control token*,
and from that token on its sequence runs in slot i + 1. The model sees the control token as the token it stands
for, the first of the invocation, so a prompt is written as ever and only that one token is exchanged. Whoever
decodes a pack gives each sequence one control token at most, and never samples one.

llama.cpp must then compute what it computes for the base with a plain adapter. The arithmetic of `graniteswitch`
is Llama's without biases, scaled RoPE frequencies, normalized queries or experts; a base that has any of these,
or a tensor or setting not known here, gets no pack. The base's weights are copied byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import numpy.typing as npt

from pluralism_local.engine.packs.rules import (
    PROJECTIONS,
    SETTINGS,
    adapter_reason,
    base_reason,
    spare_tokens,
)
from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.models.gguf_file import read_header
from pluralism_local.unfinished import beside

_ARCHITECTURE = "graniteswitch"
_ROUTER_GAIN = 15.0
"""The router is one attention head that weighs control tokens by exp(+gain) and all others by exp(-gain): the
slot it reads is off by at most cells · e^-30."""
_F32, _F16, _BF16 = 0, 1, 30

Bytes = npt.NDArray[np.uint8]
Half = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class PackAdapter:
    """A LoRA file and the factor on its update, beside its own alpha/rank."""

    path: Path
    scale: float


@dataclass(frozen=True, slots=True)
class PackPlan:
    """What a pack will be.

    Attributes:
        control_tokens: the token that switches each adapter on, in the adapters' order; all different.
        rank: of every adapter in the pack; the smaller ones are filled up with zeros.
        size_bytes: of the file, estimated to within a few kilobytes.
    """

    control_tokens: tuple[int, ...]
    rank: int
    size_bytes: int


def plan_pack(
    base: GGUFHeader, adapters: Sequence[PackAdapter], first_invocation_token: int
) -> PackPlan | str:
    """The plan of a pack, or the reason why there can be none, as a clause: ``"it has biases (…)"``.

    `first_invocation_token` is what all control tokens stand for. An adapter that names invocation tokens must
    begin with it. One that names none (it acts always) may be packed where every prompt begins with that token.
    Only headers are read.

    Raises:
        NotFound, InvalidInput: an adapter's file is not there or not GGUF.
    """
    headers = [read_header(adapter.path) for adapter in adapters]
    reason = base_reason(base)
    for header in headers:
        reason = reason or adapter_reason(base, header, first_invocation_token)
    if reason:
        return reason
    if not headers:
        return "there is no adapter to pack"
    if not 0 <= first_invocation_token < len(base.metadata["tokenizer.ggml.tokens"]):
        return f"its vocabulary has no token {first_invocation_token}"
    spare = spare_tokens(base, headers, first_invocation_token)
    if len(spare) < len(headers):
        return f"its vocabulary has {len(spare)} unused special tokens, and {len(headers)} adapters need one each"
    rank = max(tensor.shape[0] for header in headers for tensor in header.tensors if _is_b(tensor))
    stacked = sum(
        2 * (len(headers) + 1) * rank * sum(tensor.shape)
        for tensor in base.tensors
        if tensor.name.split(".")[-2] in PROJECTIONS
    )
    return PackPlan(tuple(spare[: len(headers)]), rank, base.file_bytes + stacked)


def write_pack(
    out: Path,
    base: GGUFHeader,
    adapters: Sequence[PackAdapter],
    plan: PackPlan,
    first_invocation_token: int,
) -> None:
    """Write the pack that `plan_pack` planned for the same arguments; `out` is the whole file or untouched.

    Makes the folders above it. Needs memory for one layer's matrices, not for the model.

    Raises:
        NotFound: the base or an adapter is gone.
        InvalidInput: a file is no longer what was planned, an adapter's numbers are infinite or not numbers,
            or the pack cannot be written (a full disk, a folder without permission).
    """
    if plan_pack(base, adapters, first_invocation_token) != plan:
        raise InvalidInput("The adapters of the pack changed after it was planned.", "Try again.")
    source = _Source(base)
    loras = [Lora(read_header(adapter.path), adapter.scale) for adapter in adapters]
    entries = list(_entries(source, loras, plan.rank))
    settings = {
        "token_ids_activate": list(plan.control_tokens),
        "token_ids_substitute": [first_invocation_token] * len(loras),
        "count": len(loras),
        "lora_rank": plan.rank,
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with beside(out) as temporary:
            _write(temporary, base, settings, entries)
            temporary.replace(out)
    except OSError as error:
        raise InvalidInput(
            f"The pack {out} cannot be written: {error.strerror or error}.",
            f"It takes {plan.size_bytes / 1e6:,.0f} MB: make room there, or use a folder that has it.",
        ) from error


class _Entry(NamedTuple):
    """A tensor of the pack; `data` is called when its turn comes, so that one at a time is in memory."""

    name: str
    shape: tuple[int, ...]  # GGUF's order
    type: int
    nbytes: int
    data: Callable[[], npt.NDArray[Any]]


class _Source:
    """A GGUF file's tensors, mapped."""

    def __init__(self, header: GGUFHeader) -> None:
        with open_regular(header.path) as file:
            if os.fstat(file.fileno()).st_size != header.file_bytes:
                raise InvalidInput(f"{header.path} changed while it was read.", "Try again.")
            self._bytes = np.memmap(file, dtype=np.uint8, mode="r")
        self.header = header
        self.tensors = {tensor.name: tensor for tensor in header.tensors}

    def raw(self, name: str) -> Bytes:
        """A tensor's bytes as they are in the file."""
        tensor = self.tensors[name]
        start = self.header.data_offset + tensor.offset
        return self._bytes[start : start + (tensor.nbytes or 0)]


class Lora(_Source):
    """A LoRA's matrices A [r, in] and B [out, r], the latter with every factor of the update in it."""

    def __init__(self, header: GGUFHeader, scale: float) -> None:
        super().__init__(header)
        self._scale = scale
        self._alpha = float(header.metadata.get("adapter.lora.alpha", 0.0))

    def matrix(self, name: str) -> npt.NDArray[np.floating[Any]] | None:
        """A or B by its tensor's name; None if the adapter leaves that projection alone."""
        matrix = self._stored(name)
        if matrix is None or not name.endswith(".lora_b"):
            return matrix
        # as llama.cpp has it: alpha 0 means that nothing is divided by the rank
        factor = self._scale * self._alpha / matrix.shape[1] if self._alpha else self._scale
        return matrix.astype(np.float32) * np.float32(factor)

    def _stored(self, name: str) -> npt.NDArray[np.floating[Any]] | None:
        if name not in self.tensors:
            return None
        tensor, raw = self.tensors[name], self.raw(name)
        shape = tensor.shape[::-1]
        if tensor.type == _BF16:
            return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
        if tensor.type == _F16:
            return raw.view(np.float16).reshape(shape)
        return raw.view(np.float32).reshape(shape)


def _entries(source: _Source, loras: Sequence[Lora], rank: int) -> Iterator[_Entry]:
    """The pack's tensors in the base's order, each projection followed by its adapters."""
    slots = len(loras) + 1
    for tensor in source.header.tensors:
        stem, _, _ = tensor.name.rpartition(".")
        layer, _, part = stem.rpartition(".")
        if part == "attn_q":
            yield _fused(
                source, [f"{layer}.attn_{which}.weight" for which in "qkv"], f"{layer}.attn_qkv.weight"
            )
        elif part not in ("attn_k", "attn_v"):
            copy = partial(source.raw, tensor.name)
            yield _Entry(tensor.name, tensor.shape, tensor.type, tensor.nbytes or 0, copy)
        if part in PROJECTIONS:
            n_in, n_out = tensor.shape
            a = partial(_stack, loras, f"{tensor.name}.lora_a", (slots, rank, n_in))
            b = partial(_stack, loras, f"{tensor.name}.lora_b", (slots, n_out, rank))
            yield _Entry(f"{stem}.lora_a", (n_in, rank, slots), _F16, 2 * slots * rank * n_in, a)
            yield _Entry(f"{stem}.lora_b", (rank, n_out, slots), _F16, 2 * slots * rank * n_out, b)


def _fused(source: _Source, names: Sequence[str], name: str) -> _Entry:
    """The rows of several matrices of one width and type as one matrix."""
    tensors = [source.tensors[part] for part in names]
    return _Entry(
        name,
        (tensors[0].shape[0], sum(tensor.shape[1] for tensor in tensors)),
        tensors[0].type,
        sum(tensor.nbytes or 0 for tensor in tensors),
        lambda: np.concatenate([source.raw(part) for part in names]),
    )


def _stack(loras: Sequence[Lora], name: str, shape: tuple[int, int, int]) -> Half:
    """[1 + k, rows, columns]: slot 0 zero, then each adapter's matrix in the corner; zero where it has none."""
    stacked = np.zeros(shape, dtype=np.float16)
    for slot, lora in enumerate(loras, start=1):
        with np.errstate(over="ignore", invalid="ignore"):
            matrix = lora.matrix(name)
            if matrix is None:
                continue
            rows, columns = matrix.shape
            stacked[slot, :rows, :columns] = matrix
        if not np.isfinite(stacked[slot]).all():
            raise InvalidInput(
                f"The adapter {lora.header.path} has numbers in {name} that 16 bits cannot hold.",
                "Use a smaller scale; if that does not help, export the adapter again.",
            )
    return stacked


def _write(path: Path, base: GGUFHeader, settings: dict[str, Any], entries: Sequence[_Entry]) -> None:
    writer = gguf.GGUFWriter(path, _ARCHITECTURE)
    _add_metadata(writer, base)
    writer.add_float32(f"{_ARCHITECTURE}.logit_scale", 1.0)
    writer.add_float32(f"{_ARCHITECTURE}.adapters.router_gain", _ROUTER_GAIN)
    for name, value in settings.items():
        key = f"{_ARCHITECTURE}.adapters.{name}"
        unsigned = gguf.GGUFValueType.UINT32
        if isinstance(value, list):
            writer.add_key_value(key, value, gguf.GGUFValueType.ARRAY, sub_type=unsigned)
        else:
            writer.add_key_value(key, value, unsigned)
    for entry in entries:
        kind = gguf.GGMLQuantizationType(entry.type)
        # the dtype is unused where the type is given, except that uint8 would mean a shape in bytes
        writer.add_tensor_info(entry.name, entry.shape[::-1], np.dtype(np.void), entry.nbytes, raw_dtype=kind)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for entry in entries:
            writer.write_tensor_data(entry.data())
        writer.flush()
        with path.open("rb") as written:
            os.fsync(written.fileno())
    finally:
        writer.close()


def _add_metadata(writer: gguf.GGUFWriter, base: GGUFHeader) -> None:
    """The base's metadata with its types; `llama.*` under the pack's architecture."""
    for key, value in base.metadata.items():
        family, _, name = key.partition(".")
        if key in ("general.architecture", "general.alignment") or value == []:
            continue  # the writer's own, and it cannot write empty lists
        if family == "llama" and name not in SETTINGS:
            continue  # means nothing for a Llama, but might for the pack's architecture
        renamed = f"{_ARCHITECTURE}.{name}" if family == "llama" else key
        kind, *element = (gguf.GGUFValueType(number) for number in base.kinds[key])
        writer.add_key_value(renamed, value, kind, sub_type=element[0] if element else None)


def _is_b(tensor: Tensor) -> bool:
    return tensor.name.endswith(".lora_b")
