"""A LoRA ready to be written, and its file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pluralism_local.models.gguf_file import sha256_of

Half = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Lora:
    """An adapter ready to be written.

    Attributes:
        architecture: llama.cpp's name.
        alpha: of the file; the update is B·A·alpha/rank.
        rank: of every pair.
        invocation: tokens that switch it on; empty for one that acts always.
        pairs: GGUF tensor name without suffix -> (A [rank, in], B [out, rank]), float16.
    """

    architecture: str
    alpha: float
    rank: int
    invocation: tuple[int, ...]
    pairs: Mapping[str, tuple[Half, Half]]


@dataclass(frozen=True, slots=True)
class LoraInfo:
    """What a written file holds; `alpha`, `rank` and `sha256` are what its card must say."""

    architecture: str
    alpha: float
    rank: int
    invocation: tuple[int, ...]
    tensors: int
    bytes: int
    sha256: str


def write_lora_gguf(lora: Lora, path: Path) -> LoraInfo:
    """Write `lora` in F16.

    Raises:
        OSError: it cannot be written; an earlier file stays as it was.
    """
    import gguf

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        writer = gguf.GGUFWriter(temporary, lora.architecture)
        with contextlib.closing(writer):
            _write(writer, lora)
        temporary.chmod(0o644)
        info = LoraInfo(
            architecture=lora.architecture,
            alpha=lora.alpha,
            rank=lora.rank,
            invocation=lora.invocation,
            tensors=2 * len(lora.pairs),
            bytes=temporary.stat().st_size,
            sha256=sha256_of(temporary),
        )
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return info


def _write(writer: Any, lora: Lora) -> None:
    import gguf

    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", lora.alpha)
    if lora.invocation:
        # the writer would infer INT32, which llama.cpp refuses to load
        writer.add_key_value(
            "adapter.alora.invocation_tokens",
            list(lora.invocation),
            gguf.GGUFValueType.ARRAY,
            sub_type=gguf.GGUFValueType.UINT32,
        )
    for target, (a, b) in lora.pairs.items():
        writer.add_tensor(f"{target}.weight.lora_a", np.ascontiguousarray(a))
        writer.add_tensor(f"{target}.weight.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
