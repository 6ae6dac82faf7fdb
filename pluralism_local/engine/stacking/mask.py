"""The mask of stacked adapters: every token passes its own adapter's rows of the stack alone, by the graph itself.

    rows ──begin──> one line of zeros and ones a row: ones at the ranks of the row's own slot, none for the base
    node ──> a LoRA's three nodes become  A·x ──> · mask ──> B·(…)  ──end──> all targets were masked | EngineFailure

llama.cpp computes a LoRA at a target as ``scale(B·(A·x), 1)``, three nodes that follow each other, the last in the
place of the second. Multiplied by 1 the last node does nothing; so there is room for one node more. Before a graph is
computed for the first time the second becomes the product of A·x with the mask, in A·x's own place, whose numbers
nobody else reads, and the third the product with B. llama.cpp keeps a graph as long as batches are alike, with what was
changed in it. A mask is written anew for every decode; it costs no pause and some 50 small products a step.

Failure modes: a graph that is not as described is counted and told by `end`, before any of its numbers is used.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np

from pluralism_local.engine import tensors
from pluralism_local.engine.schedule import BASE_SLOT, Row
from pluralism_local.engine.tensors import F32, GgmlTensor
from pluralism_local.errors import EngineFailure

_OP = GgmlTensor.op.offset
_A, _B = b".lora_a", b".lora_b"
_INT = ctypes.c_int


class Mask:
    """The `RowHook` of one context whose adapter is a stack.

    Args:
        blocks: by slot, the ranks of the stack that are its own.
        rank: of the whole stack.
        targets: matrices that the stack changes.
        most_rows: of one decode.

    Raises:
        EngineFailure: this library's tensors are not those that this was written for.
    """

    def __init__(self, blocks: Mapping[int, slice], rank: int, targets: int, most_rows: int) -> None:
        self._blocks, self._rank, self._targets = blocks, rank, targets
        self._ops = tensors.ops()
        self._lines = np.zeros((most_rows, rank), np.float32)
        self._output_lines = np.zeros((most_rows, rank), np.float32)  # what the last layer is cut down to
        self._masks: dict[int, GgmlTensor] = {}
        self._ready: dict[tuple[int, bool], int] = {}
        self._rows = self._outputs = self._due = self._masked = 0
        self._fault = ""
        self._error: BaseException | None = None

    def begin(self, rows: Sequence[Row], *, adapter: bool) -> None:
        """Write the mask of these rows.

        Raises: LookupError: a row's slot is not in the stack (a bug).
        """
        self._rows, self._outputs = len(rows), sum(row.output for row in rows)
        self._due, self._masked, self._fault, self._error = self._targets * adapter, 0, "", None
        lines, outputs = self._lines[: len(rows)], []
        lines.fill(0.0)
        for place, row in enumerate(rows):
            if row.slot != BASE_SLOT:
                lines[place, self._blocks[row.slot]] = 1.0
            if row.output:
                outputs.append(place)
        self._output_lines[: len(outputs)] = lines[outputs]

    def node(self, address: int, _is_before: bool, _data: object, /) -> bool:
        """Change the node if it is the last of a LoRA's, and count what is masked; never asks for a pause."""
        try:
            op = _INT.from_address(address + _OP).value
            if op == self._ops.scale:
                self._change(GgmlTensor.from_address(address))
            elif op == self._ops.mul:
                self._count(GgmlTensor.from_address(address))
        except BaseException as error:  # noqa: BLE001 - C code cannot carry it
            self._error = error
        return False

    def end(self) -> None:
        """See `RowHook`.

        Raises: EngineFailure: not every target was masked, so that the numbers are of no adapter.
        """
        if self._error is not None:
            raise self._error
        if self._fault or self._masked != self._due:
            told = self._fault or f"{self._masked} of {self._due} targets were masked"
            raise EngineFailure(f"llama.cpp computes stacked adapters in another way than expected: {told}.")

    def _count(self, node: GgmlTensor) -> None:
        mask = self._masks.get(node.src[1] or 0)
        if mask is None:
            return
        if mask.shape != node.shape or node.ne[1] not in (self._rows, self._outputs):
            self._fault = f"a mask of {mask.ne[1]} rows in a step of {self._rows}"
        self._masked += 1

    def _change(self, last: GgmlTensor) -> None:
        """Change the three nodes that end in `last`, if they are a LoRA's."""
        second = _source(last, 0)
        if second is None or second.op != self._ops.mul_mat:
            return
        b, first = _source(second, 0), _source(second, 1)
        if b is None or first is None or not b.name.endswith(_B):
            return
        a = _source(first, 0)
        if a is None or not a.name.endswith(_A) or first.op != self._ops.mul_mat:
            self._fault = "B has no A before it"
            return
        if problem := self._problem(first, second, last):
            self._fault = f"{problem} at {b.name.decode('utf-8', 'replace')}"
            return
        first_address, second_address, b_address = second.src[1], last.src[0], second.src[0]
        last.op, last.op_params[0] = self._ops.mul_mat, 0
        last.src[0], last.src[1] = b_address, second_address
        second.op = self._ops.mul
        second.src[0], second.src[1] = first_address, self._mask(first.ne[1])
        second.ne[:], second.nb[:], second.data = first.ne[:], first.nb[:], first.data
        self._masked += 1

    def _problem(self, first: GgmlTensor, second: GgmlTensor, last: GgmlTensor) -> str:
        """What is otherwise than the change needs it; empty if nothing."""
        rank, rows = self._rank, first.ne[1]
        step = 4 * rank
        checks = (
            (last.factor == (1.0, 0.0), "a factor"),
            (last.shape == second.shape and last.data == second.data, "nodes of their own places"),
            (first.shape == (rank, rows, 1, 1), f"a product of shape {first.shape}"),
            (list(first.nb) == [4, step, step * rows, step * rows], "a product with gaps"),
            (rows in (self._rows, self._outputs), f"{rows} rows in a step of {self._rows}"),
            ((first.type, second.type, last.type) == (F32, F32, F32), "another type of numbers"),
            (rows == 0 or tensors.is_in_main_memory(first), "a place outside main memory"),
        )
        return next((what for is_so, what in checks if not is_so), "")

    def _mask(self, rows: int) -> int:
        """Address of the mask's tensor for so many rows: of all of them, or of those with outputs."""
        whole = rows == self._rows
        if (rows, whole) not in self._ready:
            step = 4 * self._rank
            mask = GgmlTensor(type=F32, data=(self._lines if whole else self._output_lines).ctypes.data)
            mask.ne[:], mask.nb[:] = (self._rank, rows, 1, 1), (4, step, step * rows, step * rows)
            self._ready[rows, whole] = ctypes.addressof(mask)
            self._masks[ctypes.addressof(mask)] = mask
        return self._ready[rows, whole]


def _source(node: GgmlTensor, place: int) -> GgmlTensor | None:
    address = node.src[place]
    return GgmlTensor.from_address(address) if address else None
