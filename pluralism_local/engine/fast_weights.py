"""A base in a layout that CPUs multiply fast: the same weights once more, as 8-bit blocks, in the cache.

    header of the base ──slow_type──> "Q4_1" | None
    header, identity, folder ──FastWeights.copy──> <folder>/<key>.gguf | None, with the reason

llama.cpp has fast matrix products for most of its types on CPUs, but not for all: measured with one thread on the
starter model (x86, AVX-512), prompts and batches of 16 run at 155 and 113 tokens/s in Q4_1 and 152 and 117 in Q5_1,
against 386 and 221 in Q8_0. Q8_0 holds such weights almost exactly: a block's 16 or 32 levels land on a grid of 255.
A file is written once per base, in about a second, and lies on a `Shelf`.

No copy is no error: the reason is kept in `reason`, and the caller runs the file itself.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from pathlib import Path

from pluralism_local.engine.library import write_quantized
from pluralism_local.engine.shelf import Shelf
from pluralism_local.errors import PlocalError
from pluralism_local.files import key_of
from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader
from pluralism_local.unfinished import beside

LARGEST_MODEL = 10**9
"""Bytes of a model that is copied without being asked."""

KEPT = 2
"""Copies that stay in the folder."""

COPY_TYPE = "Q8_0"

REPACKED = platform.machine().lower() not in ("x86_64", "amd64")
"""Whether llama.cpp may hold a copy once more in memory, repacked: Arm reads prompts up to three times as fast with it.
Of x86 CPUs only those of servers with AMX would, for 113 MB more with the starter model."""

_SLOW = frozenset({"Q4_1", "Q5_1"})


def slow_type(header: GGUFHeader) -> str | None:
    """The type of most of the base's bytes if llama.cpp has no fast product for it on a CPU, else None."""
    held: Counter[str] = Counter()
    for tensor in header.tensors:
        held[GGML_TYPES[tensor.type].name if tensor.type in GGML_TYPES else "?"] += tensor.nbytes or 0
    most = held.most_common(1)
    return most[0][0] if most and most[0][0] in _SLOW else None


class FastWeights:
    """Copies in `folder`; None keeps none.

    Attributes:
        reason: why the last `copy` gave None, as a clause; empty if it was not needed or succeeded.
    """

    def __init__(self, folder: Path | None) -> None:
        self._shelf = None if folder is None else Shelf(folder)
        self.reason = ""

    def copy(self, header: GGUFHeader, identity: str, threads: int) -> Path | None:
        """The copy of the base that `identity` tells from others, written if need be; None to run the file itself."""
        if self._shelf is None or slow_type(header) is None:
            return None
        if header.file_bytes > LARGEST_MODEL or (header.integer("split.count") or 1) > 1:
            self.reason = "the model is too large to copy it unasked"
            return None
        key = key_of(f"{COPY_TYPE} {identity}")
        try:
            return self._shelf.find(key) or self._shelf.add(
                key,
                {"model": str(header.path.absolute())},
                lambda out: _write(header.path, out, threads),
                KEPT,
            )
        except (PlocalError, OSError) as error:
            self.reason = str(error)
            return None

    def is_damaged(self, path: Path) -> bool:
        """Whether a copy is no longer what was written, read from its first byte to its last."""
        return self._shelf is not None and self._shelf.check(path, whole=True) == "damaged"

    def discard(self, path: Path) -> None:
        """Throw away a copy that cannot be loaded, or is damaged."""
        if self._shelf is not None:
            self._shelf.discard(path)


def _write(source: Path, out: Path, threads: int) -> None:
    """Write the copy; `out` is whole and on the disk, or as it was.

    Raises: EngineFailure, OSError
    """
    with beside(out) as temporary:
        write_quantized(source, temporary, COPY_TYPE, threads)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(out)
