"""Parts of ggml that llama.cpp's own API does not show: extra buffer types of the CPU, and rows in quantized types.

    names() ──> ("AMX", "CPU_REPACK") on a server's x86       drop(("AMX",)) ──> no model of this process uses it
    matrix, type ──quantized──> its rows as bytes

llama.cpp asks the CPU backend for its extra buffer types at every load: layouts in which it keeps weights once more,
each with kernels of its own. The list it gets is one array of the process, ended by a NULL; an entry that is taken out
is not used by any later load, whoever loads (llama-cpp-python's own `Llama` too). Nothing in llama.cpp's parameters
says so much: `use_extra_bufts` is all of them or none.
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from llama_cpp._ggml import libggml

_NEW_LIST = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)


def function(name: str, result: type | None, *arguments: type) -> Any:
    """A function of ggml with its C types."""
    call = getattr(libggml, name)
    call.restype, call.argtypes = result, arguments
    return call


def names() -> tuple[str, ...]:
    """Extra buffer types that loads of this process would use, in llama.cpp's order of preference; often none."""
    name_of = function("ggml_backend_buft_name", ctypes.c_char_p, ctypes.c_void_p)
    return tuple(name_of(pointer).decode() for pointer in _pointers())


def drop(dropped: Collection[str]) -> None:
    """Leave the buffer types of these names out of every load from now on; unknown names are no error."""
    array = _array()
    remaining = [pointer for pointer, name in zip(_pointers(), names(), strict=True) if name not in dropped]
    if array is not None:
        for place, pointer in enumerate([*remaining, None]):
            array[place] = pointer


def _array() -> ctypes._Pointer[ctypes.c_void_p] | None:
    registry = function("ggml_backend_reg_by_name", ctypes.c_void_p, ctypes.c_char_p)(b"CPU")
    if not registry:
        return None
    device = function("ggml_backend_reg_dev_get", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(
        registry, 0
    )
    find = function("ggml_backend_reg_get_proc_address", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    address = find(registry, b"ggml_backend_dev_get_extra_bufts")
    if not address:
        return None
    array = _NEW_LIST(address)(device)
    return array if array else None


def _pointers() -> list[int]:
    array = _array()
    pointers: list[int] = []
    while array is not None and array[len(pointers)]:
        pointers.append(array[len(pointers)])
    return pointers


def quantized(matrix: npt.NDArray[np.float32], kind: gguf.GGMLQuantizationType) -> npt.NDArray[np.uint8]:
    """Rows [n, columns] of `matrix` as bytes [n, bytes of a row] of the type `kind`, by ggml's own quantizer.

    The columns must be a multiple of the type's block, 32 or 256.
    """
    rows, columns = matrix.shape
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((rows, columns // block * block_bytes), np.uint8)
    source = np.ascontiguousarray(matrix, np.float32)
    quantize = function(
        "ggml_quantize_chunk",
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_void_p,
    )
    quantize(int(kind), source.ctypes.data, out.ctypes.data, 0, rows, columns, None)
    return out
