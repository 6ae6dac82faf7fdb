"""A LoRA file's matrices, mapped, with every factor of the update in B."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.adapter_rules import ALPHA, B

F32, F16, BF16 = 0, 1, 30
"""GGUF's numbers of the types that matrices are read in."""

Matrix = npt.NDArray[np.floating[Any]]


class LoraMatrices:
    """The matrices of the file that `header` was read from, at `scale`.

    Raises:
        NotFound: the file is gone.
        InvalidInput: it is no longer the file of this header.
    """

    def __init__(self, header: GGUFHeader, scale: float) -> None:
        with open_regular(header.path) as file:
            if os.fstat(file.fileno()).st_size != header.file_bytes:
                raise InvalidInput(f"{header.path} changed while it was read.", "Try again.")
            self._bytes = np.memmap(file, dtype=np.uint8, mode="r")
        self.header, self._scale = header, scale
        self._tensors = {tensor.name: tensor for tensor in header.tensors}
        self._alpha = float(header.metadata.get(ALPHA, 0.0))

    def matrix(self, name: str) -> Matrix | None:
        """A [rank, in] or B [out, rank] by its tensor's name; None if the adapter leaves that target alone.

        B is multiplied by scale · alpha / rank, or by the scale alone where alpha is 0, as llama.cpp has it.
        """
        tensor = self._tensors.get(name)
        if tensor is None:
            return None
        start = self.header.data_offset + tensor.offset
        stored = _numbers(self._bytes[start : start + (tensor.nbytes or 0)], tensor.type)
        matrix = stored.reshape(tensor.shape[::-1])
        if not name.endswith(B):
            return matrix
        factor = self._scale * self._alpha / matrix.shape[1] if self._alpha else self._scale
        return matrix.astype(np.float32) * np.float32(factor)


def _numbers(raw: npt.NDArray[np.uint8], kind: int) -> Matrix:
    if kind == BF16:
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return raw.view(np.float16 if kind == F16 else np.float32)
