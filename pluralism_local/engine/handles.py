"""The only file that touches llama.cpp itself: its C objects as context managers, its return codes as our errors.

    Model ──> Adapter (several), Context (several, sharing the weights)
    Context.decode(rows) ──> logits of the rows marked `output`

Order of life: adapters and contexts are closed before their model; closing twice is fine. Every failure of
llama.cpp becomes an `EngineFailure` (or `InvalidInput` where the file is at fault) that carries the last lines
of llama.cpp's log; nothing of that log reaches the terminal.

llama.cpp calls release the GIL, so contexts may decode in parallel threads; one context is never used by two.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from pluralism_local.engine import kernel_safety
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.library_layout import unexpected
from pluralism_local.engine.log_file import LogFile
from pluralism_local.engine.markers import Marker
from pluralism_local.engine.pace import Pace
from pluralism_local.engine.page_release import give_back
from pluralism_local.engine.poll import Poll
from pluralism_local.engine.schedule import Row, RowHook
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.models.published_templates import published_template

_DECODE_ABORTED = 2
_DECODE_NO_SLOT = 1
_LESS_CONTEXT = "Use a smaller --ctx-size or --max-tokens, or a smaller model."

_LEVEL_DEBUG, _LEVEL_GOING_ON = 1, 5
"""Of ggml's log levels."""

_GIVEN_BACK = 1 / 8
"""Share of a model's file that stays resident at most while it is loaded."""


class _Log:
    """Receives llama.cpp's log without its debug lines: the last for error messages, all for a file when asked."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=40)
        self.file: LogFile | None = None
        self._is_debug = False
        self._callback = lib.llama_log_callback(self._receive)
        lib.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _receive(self, level: int, text: bytes, _data: object) -> None:
        if level != _LEVEL_GOING_ON:  # which goes on with the line before
            self._is_debug = level == _LEVEL_DEBUG
        if self._is_debug:
            return
        line = text.decode("utf-8", "replace")
        self.lines.append(line)
        if self.file is not None:
            self.file.write(line)

    def tail(self) -> str:
        """The last lines that look like errors, in one line."""
        errors = [
            line.strip()
            for line in "".join(self.lines).splitlines()
            if any(word in line.lower() for word in ("error", "fail", "invalid", "unsupported", "unable"))
        ]
        return "; ".join(errors[-2:])


_log: _Log | None = None
_log_lock = threading.Lock()


def install_log(file: Path | None = None) -> None:
    """Take over llama.cpp's log, once per process; with `file`, append it there too; see `log_file`."""
    global _log
    with _log_lock:
        if _log is None:
            _log = _Log()
            _check_layout()
            lib.llama_backend_init()
        if file is not None and (_log.file is None or _log.file.path != file):
            _log.file = LogFile(file)


def _check_layout() -> None:
    """Refuse a library whose structs are not those that llama-cpp-python declares.

    Raises: EngineFailure
    """
    defaults = {
        "model": lib.llama_model_default_params(),
        "context": lib.llama_context_default_params(),
        "quantization": lib.llama_model_quantize_default_params(),
    }
    problem = unexpected(defaults)
    if problem is not None:
        raise EngineFailure(
            f"llama.cpp's library is not the one that llama-cpp-python {lib.__version__} was made for: {problem}.",
            "Install both from one version: pip install --force-reinstall --no-cache-dir llama-cpp-python",
        )


def _because() -> str:
    tail = _log.tail() if _log is not None else ""
    return f" llama.cpp says: {tail}" if tail else ""


class _Handle:
    """Closes once; using it afterwards is an EngineFailure."""

    def __init__(self) -> None:
        self._closed = False

    def close(self) -> None:
        """Free the C object."""
        if not self._closed:
            self._closed = True
            self._free()

    def _free(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Model(_Handle):
    """The weights and the vocabulary.

    Args:
        path: a GGUF file, memory-mapped.
        gpu_layers: layers to keep on a GPU; -1 for all.
        repack: let llama.cpp keep weights once more, in memory of their own, where this CPU multiplies another layout
            faster (Arm; AMX; some types on any x86), as far as that works on this machine (`kernel_safety`). What was
            mapped to fill it is given back as loading goes on.
        should_stop: polled while loading.

    Raises:
        InvalidInput: llama.cpp cannot use the file.
        Cancelled: `should_stop` turned true.
    """

    def __init__(
        self, path: Path, *, gpu_layers: int = 0, repack: bool = True, should_stop: ShouldStop = never
    ) -> None:
        super().__init__()
        if repack:
            kernel_safety.settle()
        self.path = path
        self.on_gpu = gpu_layers != 0
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
        params.use_extra_bufts = repack
        fraction = given_back = 0.0

        def stop() -> bool:
            nonlocal given_back
            if fraction >= 1 or fraction - given_back > _GIVEN_BACK:
                given_back = fraction
                give_back(path)
            return should_stop()

        def loaded(so_far: float, _data: object) -> bool:
            nonlocal fraction
            fraction = so_far
            return not poll()

        poll = Poll(stop)
        progress = lib.llama_progress_callback(loaded)
        params.progress_callback = progress
        self._pointer = lib.llama_model_load_from_file(str(path).encode(), params)
        poll.reraise()
        if not self._pointer:
            self._closed = True
            if poll.stopped:
                raise Cancelled("Stopped while the model was loading.")
            raise InvalidInput(
                f"llama.cpp cannot load the model {path}.{_because()}",
                "Check it with `plocal models verify`, or download it again.",
            )
        self._vocabulary = lib.llama_model_get_vocab(self._pointer)
        self.vocabulary_size: int = lib.llama_vocab_n_tokens(self._vocabulary)
        self.training_context: int = lib.llama_model_n_ctx_train(self._pointer)
        self.window: int = lib.llama_model_n_swa(self._pointer)
        """Tokens that layers with a sliding window look back at; 0 if there are none."""
        recurs = lib.llama_model_is_hybrid(self._pointer) or lib.llama_model_is_recurrent(self._pointer)
        self.can_be_cut = not recurs
        """Whether what a sequence's last tokens did can be taken back; a running state holds all of them in one."""

    def _free(self) -> None:
        lib.llama_model_free(self._pointer)

    @property
    def cell_bytes(self) -> int:
        """Bytes of main memory that a token's keys and values take in F16; 0 where it cannot be told from outside."""
        heads = lib.llama_model_n_head(self.pointer)
        if self.on_gpu or not self.can_be_cut or heads < 1:
            return 0
        head_length = lib.llama_model_n_embd(self.pointer) // heads
        kv_heads = lib.llama_model_n_head_kv(self.pointer)
        return int(lib.llama_model_n_layer(self.pointer) * kv_heads * head_length * 2 * 2)

    @property
    def pointer(self) -> Any:
        """The C pointer, for contexts and adapters."""
        if self._closed:
            raise EngineFailure("The model is closed.")
        return self._pointer

    def chat_template(self) -> str | None:
        """The chat template (Jinja): the GGUF's own, or the one its makers published; None for a base model."""
        text = lib.llama_model_chat_template(self.pointer, None)
        if text:
            return str(text.decode("utf-8", "replace"))
        name = ctypes.create_string_buffer(256)
        length = lib.llama_model_meta_val_str(self.pointer, b"general.name", name, len(name))
        return published_template(name.value.decode("utf-8", "replace") if length > 0 else None)

    def special_text(self, which: Literal["bos", "eos"]) -> str:
        """Text of the begin or end token; empty if the vocabulary has none."""
        token = (lib.llama_vocab_bos if which == "bos" else lib.llama_vocab_eos)(self._vocabulary)
        return self.spelling(token) if token >= 0 else ""

    def markers(self) -> list[Marker]:
        """Every token that is found in text by its spelling: control tokens, and those added to the vocabulary."""
        control = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        markers = []
        for token in range(self.vocabulary_size):
            kind = lib.llama_vocab_get_attr(self._vocabulary, token)
            if kind & (control | lib.LLAMA_TOKEN_ATTR_USER_DEFINED):
                strips = [
                    bool(kind & side) for side in (lib.LLAMA_TOKEN_ATTR_LSTRIP, lib.LLAMA_TOKEN_ATTR_RSTRIP)
                ]
                markers.append(Marker(token, self.spelling(token), bool(kind & control), *strips))
        return markers

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Token ids of `text`; `add_special` adds what the vocabulary wants at the start (BOS)."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            buffer = (lib.llama_token * room)()
            count = lib.llama_tokenize(
                self._vocabulary, data, len(data), buffer, room, add_special, parse_special
            )
            if count >= 0:
                return tuple(buffer[:count])
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; control tokens give none."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_token_to_piece(self._vocabulary, token, buffer, room, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def spelling(self, token: int) -> str:
        """How a token is written, control tokens too."""
        return str(lib.llama_vocab_get_text(self._vocabulary, token).decode("utf-8", "replace"))

    def ends_answer(self, token: int) -> bool:
        """Whether the token ends a generation (end of text, end of turn)."""
        return bool(lib.llama_vocab_is_eog(self._vocabulary, token))

    def end_tokens(self) -> tuple[int, ...]:
        """Every token that ends a generation."""
        return tuple(token for token in range(self.vocabulary_size) if self.ends_answer(token))


class Adapter(_Handle):
    """A LoRA adapter bound to a model.

    Raises:
        InvalidInput: llama.cpp cannot use the file with this model (other architecture or shapes).
    """

    def __init__(self, model: Model, path: Path) -> None:
        super().__init__()
        self.pointer = lib.llama_adapter_lora_init(model.pointer, str(path).encode())
        # a failed load is a NULL pointer object, not None
        if not self.pointer:
            self._closed = True
            raise InvalidInput(
                f"llama.cpp cannot use the adapter {path} with this model.{_because()}",
                "The adapter was probably made for another base; see `plocal communities show`.",
            )

    def _free(self) -> None:
        lib.llama_adapter_lora_free(self.pointer)

    @property
    def invocation(self) -> tuple[int, ...]:
        """Tokens that switch an activated adapter on; empty for an adapter that acts always."""
        count = lib.llama_adapter_get_alora_n_invocation_tokens(self.pointer)
        if not count:
            return ()
        tokens = lib.llama_adapter_get_alora_invocation_tokens(self.pointer)
        return tuple(tokens[:count])


class Context(_Handle):
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
                f"There is not enough memory for a context of {cells} tokens.{_because()}", _LESS_CONTEXT
            )
        self._memory = lib.llama_get_memory(self._pointer)
        self._batch = lib.llama_batch_init(chunk, 0, sequences)
        self._quiet = lib.ggml_abort_callback()  # a NULL function: nothing to ask

    def _free(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._pointer)

    @property
    def _live(self) -> Any:
        if self._closed:
            raise EngineFailure("The context is closed.")
        return self._pointer

    def set_threads(self, threads: int) -> None:
        """At most so many threads from the next decode on."""
        self._use_threads(threads)
        self._pace = self._make_pace(threads)

    def _use_threads(self, threads: int) -> None:
        if threads != self._threads:
            lib.llama_set_n_threads(self._live, threads, threads)
            self._threads = threads

    def set_adapter(self, adapter: Adapter | None, scale: float = 1.0) -> None:
        """Replace the active adapter; None is the base. Cells already decoded keep what they were made with."""
        if adapter is None:
            code = lib.llama_set_adapters_lora(self._live, None, 0, None)
        else:
            pointers = (lib.llama_adapter_lora_p_ctypes * 1)(adapter.pointer)
            code = lib.llama_set_adapters_lora(self._live, pointers, 1, (ctypes.c_float * 1)(scale))
        self._has_adapter = adapter is not None
        if code:
            raise EngineFailure(f"llama.cpp could not switch the adapter (code {code}).{_because()}")

    def decode(self, rows: Sequence[Row], should_stop: ShouldStop | None = None) -> bool:
        """Decode at most `chunk` rows; False if `should_stop` turned true inside and nothing can be read.

        The poll inside costs a call per graph node, so it is given for long prompts only.
        """
        batch = self._batch
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
            code = lib.llama_decode(self._live, batch)
        else:
            poll = Poll(should_stop)
            callback = lib.ggml_abort_callback(lambda _data: poll())
            lib.llama_set_abort_callback(self._live, callback, ctypes.c_void_p(0))
            try:
                code = lib.llama_decode(self._live, batch)
            finally:
                lib.llama_set_abort_callback(self._live, self._quiet, ctypes.c_void_p(0))
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
        raise EngineFailure(f"llama.cpp failed to decode (code {code}).{_because()}")

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """Logits [n_vocab] float32 of row `row` of the last decode; a view, valid until the next decode."""
        pointer = lib.llama_get_logits_ith(self._live, row)
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
        size = lib.llama_state_seq_get_size(self._live, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = lib.llama_state_seq_get_data(self._live, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def restore(self, sequence: int, data: bytes) -> bool:
        """Put saved cells into an empty sequence; False if they do not fit."""
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return bool(lib.llama_state_seq_set_data(self._live, buffer, len(data), sequence))


def _memory() -> float:
    """Bytes of main memory of this machine; infinite where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def gpu_available() -> bool:
    """Whether this build of llama.cpp can use a GPU."""
    install_log()
    return bool(lib.llama_supports_gpu_offload())


def write_quantized(source: Path, out: Path, kind: str, threads: int) -> None:
    """Write `source`, whatever its types, in the file type `kind`, by llama.cpp's name: ``"Q4_K_M"``, ``"F32"``.

    Raises:
        EngineFailure: llama.cpp cannot read it or cannot write it (a full disk).
    """
    install_log()
    params = lib.llama_model_quantize_default_params()
    params.ftype = lib.LLAMA_FTYPE_ALL_F32 if kind == "F32" else getattr(lib, f"LLAMA_FTYPE_MOSTLY_{kind}")
    params.allow_requantize = True
    params.nthread = threads
    if lib.llama_model_quantize(str(source).encode(), str(out).encode(), params):
        raise EngineFailure(f"llama.cpp cannot write {source.name} in {kind}.{_because()}")
