"""llama.cpp's contexts: rows of tokens decoded, and the cells that are kept of them.

    Model ──Context──> decode(rows) ──> logits of the rows marked `output`
                         └ share, forget, save, restore: a sequence's cells

llama.cpp calls release the GIL, so contexts may decode in parallel threads; one context is never used by two.
"""

from __future__ import annotations

import ctypes
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.handles import Adapter, Handle, Model
from pluralism_local.engine.library import because
from pluralism_local.engine.pace import Pace
from pluralism_local.engine.poll import Poll
from pluralism_local.engine.schedule import Row, RowHook
from pluralism_local.errors import EngineFailure

_DECODE_ABORTED = 2
_DECODE_NO_SLOT = 1
_LESS_CONTEXT = "Use a smaller --ctx-size or --max-tokens, or a smaller model."


class Context(Handle):
    """KV cells and scratch memory over a model's weights; holds several sequences in one unified cache.

    Args:
        cells: KV cells, shared by all sequences.
        sequences: sequence ids 0 … sequences-1.
        outputs: the most rows with logits in one decode; None for as many as sequences.
        threads: for decoding and for prompts; fewer while other processes keep the cores busy, see `pace`.
        flash: flash attention on a CPU, which is a little faster and rounds differently; a GPU decides itself.
        chunk: tokens that one decode call takes at most; 0 for what suits a CPU or a GPU.
        make_pace: chooses each step's threads, of so many at most.
        hook: told of the rows and of every node of each decode; rows keep their order in it.
    """

    kind = "context"

    def __init__(
        self,
        model: Model,
        *,
        cells: int,
        sequences: int,
        threads: int,
        flash: bool = False,
        chunk: int = 0,
        outputs: int | None = None,
        make_pace: Callable[[int], Pace] = Pace,
        hook: RowHook | None = None,
    ) -> None:
        super().__init__()
        self._hook, self._has_adapter = hook, False
        self.chunk = chunk = chunk or (512 if model.on_gpu else 128)
        self.model, self.cells, self.sequences = model, cells, sequences
        self._threads, self._make_pace, self._pace = threads, make_pace, make_pace(threads)
        if model.cell_bytes * cells > _memory():
            self._closed = True  # asked for that much, the system would end this process instead of refusing
            raise EngineFailure(f"There is not enough memory for a context of {cells} tokens.", _LESS_CONTEXT)
        params = lib.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = chunk
        params.n_seq_max = sequences
        params.n_outputs_max = sequences if outputs is None else outputs
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = True  # a shared prefix is then held once, by reference
        if not model.on_gpu and not flash:
            # as the high-level API has it, to the bit: where activations are quantized to 8 bits, another order of
            # summation in attention is enough to move next-token probabilities in the second decimal
            params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.swa_full = True  # a cut-off window could not be forked at an earlier position
        params.no_perf = True
        if hook is not None:
            params.cb_eval = lib.ggml_backend_sched_eval_callback(hook.node)
        self._params = params  # holds the callback
        self._pointer = lib.llama_init_from_model(model.pointer, params)
        if not self._pointer:
            self._closed = True
            raise EngineFailure(
                f"There is not enough memory for a context of {cells} tokens.{because()}", _LESS_CONTEXT
            )
        self._batch = lib.llama_batch_init(chunk, 0, sequences)
        self._quiet = lib.ggml_abort_callback()  # a NULL function: nothing to ask

    def _free(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._pointer)

    @property
    def _memory(self) -> Any:
        return lib.llama_get_memory(self.pointer)

    def set_threads(self, threads: int) -> None:
        """At most so many threads from the next decode on."""
        self._use_threads(threads)
        self._pace = self._make_pace(threads)

    def _use_threads(self, threads: int) -> None:
        if threads != self._threads:
            lib.llama_set_n_threads(self.pointer, threads, threads)
            self._threads = threads

    def set_adapter(self, adapter: Adapter | None, scale: float = 1.0) -> None:
        """Replace the active adapter; None is the base. Cells already decoded keep what they were made with."""
        if adapter is None:
            code = lib.llama_set_adapters_lora(self.pointer, None, 0, None)
        else:
            pointers = (lib.llama_adapter_lora_p_ctypes * 1)(adapter.pointer)
            code = lib.llama_set_adapters_lora(self.pointer, pointers, 1, (ctypes.c_float * 1)(scale))
        self._has_adapter = adapter is not None
        if code:
            raise EngineFailure(f"llama.cpp could not switch the adapter (code {code}).{because()}")

    def decode(self, rows: Sequence[Row], should_stop: ShouldStop | None = None) -> bool:
        """Decode at most `chunk` rows; False if `should_stop` turned true inside and nothing can be read.

        The poll inside costs a call per graph node, so it is given for long prompts only.
        """
        context, batch = self.pointer, self._batch  # the batch is freed with the context
        batch.n_tokens = len(rows)
        for i, row in enumerate(rows):
            batch.token[i] = row.token
            batch.pos[i] = row.position
            batch.n_seq_id[i] = len(row.sequences)
            ids = batch.seq_id[i]
            for j, sequence in enumerate(row.sequences):
                ids[j] = sequence
            batch.logits[i] = row.output
        if self._hook is not None:
            self._hook.begin(rows, adapter=self._has_adapter)
        threads = self._pace.threads()
        self._use_threads(threads)
        began = time.perf_counter()
        if should_stop is None:
            code = lib.llama_decode(context, batch)
        else:
            poll = Poll(should_stop)
            callback = lib.ggml_abort_callback(lambda _data: poll())
            lib.llama_set_abort_callback(context, callback, ctypes.c_void_p(0))
            try:
                code = lib.llama_decode(context, batch)
            finally:
                lib.llama_set_abort_callback(context, self._quiet, ctypes.c_void_p(0))
            poll.reraise()
        self._pace.took(len(rows), threads, time.perf_counter() - began)
        if code == 0:
            if self._hook is not None:
                self._hook.end()
            return True
        if code == _DECODE_ABORTED:
            return False
        if code == _DECODE_NO_SLOT:
            raise EngineFailure(f"The context of {self.cells} tokens is full.", "Use a larger --ctx-size.")
        raise EngineFailure(f"llama.cpp failed to decode (code {code}).{because()}")

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """Logits [n_vocab] float32 of row `row` of the last decode; a view, valid until the next decode."""
        pointer = lib.llama_get_logits_ith(self.pointer, row)
        if not pointer:
            raise EngineFailure(f"Row {row} of the last batch has no logits.")
        return np.ctypeslib.as_array(pointer, shape=(self.model.vocabulary_size,))

    def forget(self, sequence: int | None = None, start: int = 0) -> bool:
        """Drop a sequence's cells from `start` on (None: everything); False if this model cannot cut there."""
        if sequence is None:
            lib.llama_memory_clear(self._memory, False)
            return True
        return bool(lib.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def share(self, source: int, target: int) -> None:
        """Let `target` hold `source`'s cells too; costs nothing."""
        lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def save(self, sequence: int) -> bytes:
        """A sequence's cells as bytes, for this or another context of the same model.

        Layers with a sliding window give only the cells that its next token looks back at.
        """
        size = lib.llama_state_seq_get_size(self.pointer, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = lib.llama_state_seq_get_data(self.pointer, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence: int, data: bytes) -> bool:
        """Put saved cells into an empty sequence; False if they do not fit."""
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return bool(lib.llama_state_seq_set_data(self.pointer, buffer, len(data), sequence))


def _memory() -> float:
    """Bytes of main memory of this machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf
