"""llama.cpp's library as a whole: its log, what its structs are laid out like, and what it does without a model open.

    install_log ──> the library, ready        because ──> what its log says of the last failure, for our errors
    source, kind ──write_quantized──> a file in another type

Every failure of llama.cpp becomes an `EngineFailure` (or `InvalidInput` where the file is at fault) that carries the
last lines of llama.cpp's log; nothing of that log reaches the terminal.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from pathlib import Path

import llama_cpp as lib

from pluralism_local.engine.library_layout import unexpected
from pluralism_local.engine.log_file import LogFile
from pluralism_local.errors import EngineFailure

_LEVEL_DEBUG, _LEVEL_GOING_ON = 1, 5
"""Of ggml's log levels."""


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


def because() -> str:
    """What llama.cpp's log says of its last failure, a sentence with a space before it; empty if nothing."""
    tail = _log.tail() if _log is not None else ""
    return f" llama.cpp says: {tail}" if tail else ""


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
        raise EngineFailure(f"llama.cpp cannot write {source.name} in {kind}.{because()}")
