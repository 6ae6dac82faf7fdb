"""Nodes of llama.cpp's computation, read and changed in memory: the layout of its tensors, and the ops used here.

    library ──ops──> Ops(mul_mat, mul, scale)         EngineFailure where its tensors are laid out otherwise

llama.cpp has no call that shows a node's fields or changes them. The declaration below is that of the library this was
written for; whether the one at hand has the same is seen from tensors that it makes itself, field by field.
"""

from __future__ import annotations

import ctypes
import struct
from typing import NamedTuple

from pluralism_local.engine.ggml import function
from pluralism_local.errors import EngineFailure

F32 = 0
_OBJECT_BYTES = 32
_CPU = 0


class GgmlTensor(ctypes.Structure):
    """A node: `op` of `src`; sizes `ne` and strides in bytes `nb`, fastest first; pointers are addresses or None."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """Its four sizes."""
        return tuple(self.ne)

    @property
    def factor(self) -> tuple[float, float]:
        """What a node of the op `scale` multiplies by, and what it adds."""
        times, plus = struct.unpack("2f", bytes(self.op_params)[:8])
        return float(times), float(plus)


class Ops(NamedTuple):
    """Numbers of the ops in `GgmlTensor.op`."""

    mul_mat: int
    mul: int
    scale: int


class _InitParams(ctypes.Structure):
    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def ops() -> Ops:
    """The ops' numbers in this library.

    Raises:
        EngineFailure: its tensors are not laid out as declared here.
    """
    pointer, i64 = ctypes.c_void_p, ctypes.c_int64
    context = function("ggml_init", pointer, _InitParams)(_InitParams(1 << 16, None, True))
    if not context:
        raise EngineFailure("ggml makes no tensors.")
    try:
        new = function("ggml_new_tensor_2d", pointer, pointer, ctypes.c_int, i64, i64)
        a, b = new(context, F32, 3, 5), new(context, F32, 3, 7)
        function("ggml_set_name", pointer, pointer, ctypes.c_char_p)(a, b"some.name")
        pair = (pointer, pointer, pointer, pointer)
        product = function("ggml_mul_mat", *pair)(context, a, b)
        times = function("ggml_mul", *pair)(context, a, a)
        scaled = function("ggml_scale", pointer, pointer, pointer, ctypes.c_float)(context, a, 0.5)
        whole = function("ggml_tensor_overhead", ctypes.c_size_t)() - _OBJECT_BYTES
        if whole != ctypes.sizeof(GgmlTensor) or not _are_as_declared(a, b, product, times, scaled):
            raise EngineFailure("The tensors of this llama.cpp are not laid out as declared.")
        return Ops(*(GgmlTensor.from_address(node).op for node in (product, times, scaled)))
    finally:
        function("ggml_free", None, pointer)(context)


def _are_as_declared(a: int, b: int, product: int, times: int, scaled: int) -> bool:
    first, node, scale = (GgmlTensor.from_address(address) for address in (a, product, scaled))
    describe = function("ggml_op_desc", ctypes.c_char_p, ctypes.c_void_p)
    numbers = [GgmlTensor.from_address(address).op for address in (a, product, times, scaled)]
    return (
        first.shape == (3, 5, 1, 1)
        and list(first.nb) == [4, 12, 60, 60]
        and first.name == b"some.name"
        and (first.type, first.op, first.buffer, first.data, first.view_src) == (F32, 0, None, None, None)
        and node.shape == (5, 7, 1, 1)
        and list(node.src)[:3] == [a, b, None]
        and scale.src[0] == a
        and scale.factor == (0.5, 0.0)
        and [describe(address) for address in (product, times, scaled)] == [b"MUL_MAT", b"MUL", b"SCALE"]
        and len(set(numbers)) == 4
    )


def runs_on_cpu_alone() -> bool:
    """Whether this process has no device but processors: others may compute nodes elsewhere, or only some ops."""
    count = function("ggml_backend_dev_count", ctypes.c_size_t)()
    get = function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    kind = function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)
    return all(kind(get(place)) == _CPU for place in range(count))


def is_in_main_memory(tensor: GgmlTensor) -> bool:
    """Whether a node's numbers lie where this process can write them."""
    is_host = function("ggml_backend_buffer_is_host", ctypes.c_bool, ctypes.c_void_p)
    return bool(tensor.buffer) and bool(tensor.data) and bool(is_host(tensor.buffer))
