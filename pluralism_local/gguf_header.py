"""What a GGUF file says about itself, as values: metadata, tensors, and the model's fingerprint.

GGUFHeader(metadata, tensors) ──fingerprint──> the same for every quantization of a model
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_ALIGNMENT = 32


class BlockType(NamedTuple):
    """A ggml tensor type: its name, and how many elements one block of `nbytes` bytes holds."""

    name: str
    elements: int
    nbytes: int


# Ids missing here were withdrawn from ggml or are newer than this table; their sizes are not checked.
GGML_TYPES = {
    0: BlockType("F32", 1, 4), 1: BlockType("F16", 1, 2), 2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20), 6: BlockType("Q5_0", 32, 22), 7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34), 10: BlockType("Q2_K", 256, 84), 11: BlockType("Q3_K", 256, 110),
    12: BlockType("Q4_K", 256, 144), 13: BlockType("Q5_K", 256, 176), 14: BlockType("Q6_K", 256, 210),
    16: BlockType("IQ2_XXS", 256, 66), 17: BlockType("IQ2_XS", 256, 74), 18: BlockType("IQ3_XXS", 256, 98),
    19: BlockType("IQ1_S", 256, 50), 20: BlockType("IQ4_NL", 32, 18), 21: BlockType("IQ3_S", 256, 110),
    22: BlockType("IQ2_S", 256, 82), 23: BlockType("IQ4_XS", 256, 136), 24: BlockType("I8", 1, 1),
    25: BlockType("I16", 1, 2), 26: BlockType("I32", 1, 4), 27: BlockType("I64", 1, 8),
    28: BlockType("F64", 1, 8), 29: BlockType("IQ1_M", 256, 56), 30: BlockType("BF16", 1, 2),
    34: BlockType("TQ1_0", 256, 54), 35: BlockType("TQ2_0", 256, 66), 39: BlockType("MXFP4", 32, 17),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's entry in the header.

    Attributes:
        name: such as ``"blk.0.attn_q.weight"``.
        shape: at most 4 lengths in GGUF's order, fastest first (columns before rows).
        type: ggml type id; a key of `GGML_TYPES` if known.
        offset: bytes from the start of the data section.
    """

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int | None:
        """Bytes of its data; None if the type is unknown."""
        block = GGML_TYPES.get(self.type)
        return None if block is None else self.elements // block.elements * block.nbytes


@dataclass(frozen=True)
class GGUFHeader:
    """What stands before the weights.

    Attributes:
        path: the file, as asked for.
        version: of the format, 2 or 3.
        metadata: key to int, float, bool, str, or a list of one of these. Bytes that are not UTF-8 appear
            as ``\\xNN``.
        tensors: in file order.
        data_offset: bytes from the start of the file to the weights.
        file_bytes: size of the whole file.
        kinds: key to (type,) or, for a list, (9, element type), as GGUF numbers its value types; what it
            takes to write the metadata again.
    """

    path: Path
    version: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_bytes: int
    kinds: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """The metadata value if it is there and a text, else None."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """The metadata value if it is there and an integer (not a boolean), else None."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def fingerprint(header: GGUFHeader) -> str:
    """``"sha256:<hex>"`` of architecture, tensor names and shapes, and the tokenizer's tokens.

    The same for every quantization of one model; different for another size, vocabulary or family. It does
    not see the weights: two fine-tunes of one base have one fingerprint, and adapters fit both.
    """
    identity = [
        header.metadata.get("general.architecture"),
        sorted((tensor.name, tensor.shape) for tensor in header.tensors),
        header.metadata.get("tokenizer.ggml.tokens", []),
    ]
    text = json.dumps(identity, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
