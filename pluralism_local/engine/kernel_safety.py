"""Whether llama.cpp's extra kernels work on this machine: tried once in a child process, remembered, obeyed.

    processor without AMX ──────────────────────────────────────────────────────────> nothing dropped, no child
    processor, library ──key──> <cache>/kernels/<key>.json ──> KernelVerdict(dropped, reason) ──settle──> ggml.drop
                                     └─ none: a child with all buffer types, and one without AMX

llama.cpp's AMX products end the process on some virtual machines whose processor says that it has AMX (a general
protection fault at the first tile), and a process cannot catch that. A child that dies by a signal, does not end in
time or answers something else than with plain weights means: not here. Failure modes: no child can be started, or it
fails for a reason of its own; then all extra buffer types are left out for this process and nothing is remembered.
"""

from __future__ import annotations

import json
import platform
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pluralism_local import config
from pluralism_local.engine import child_process
from pluralism_local.engine.processor import Processor, library_sha256, processor
from pluralism_local.files import key_of, write_atomic

TOLERANCE = 5e-3
"""Largest squared difference over squared size of the logits. Seen: 0.0004 between plain and repacked weights, which
are summed in another order; 0.027 or more where the kernel of any one type loses columns of every other row, 0.006
where it is off by a tenth."""

SECONDS = 20.0
"""How long a child may take; it needs one."""

_AMX, _REPACK = "AMX", "CPU_REPACK"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a child.

    Attributes:
        buffers: the extra buffer types it tried; None if it ended before it could say.
        problem: why they must not be used, as a clause ("ended by SIGSEGV"); empty if all is well.
    """

    buffers: tuple[str, ...] | None
    problem: str


@dataclass(frozen=True, slots=True)
class KernelVerdict:
    """Extra buffer types that this machine must do without, and why; none and "" where all work."""

    dropped: tuple[str, ...] = ()
    reason: str = ""

    def sentence(self) -> str:
        """For people, without a full stop: ``"AMX kernels fault on this machine (ended by SIGSEGV); not used"``."""
        if not self.dropped:
            return "all kernels work on this machine"
        return f"{' and '.join(self.dropped)} kernels fault on this machine ({self.reason}); not used"


KernelAttempt = Callable[[Sequence[str]], Outcome]

_settled: KernelVerdict | None = None
_lock = threading.Lock()


def settle() -> KernelVerdict:
    """See to it, once per process and before any model is loaded, that no kernel runs that faults here."""
    global _settled
    with _lock:
        if _settled is None:
            _settled = verdict()
            _apply(_settled.dropped)
        return _settled


def settle_with(dropped: Collection[str]) -> None:
    """Decide for this process without asking: `dropped` are left out. For the child that tries."""
    global _settled
    with _lock:
        _settled = KernelVerdict(tuple(dropped), "as told")
        _apply(_settled.dropped)


def _apply(dropped: Collection[str]) -> None:
    if dropped:
        from pluralism_local.engine import ggml

        ggml.drop(dropped)


def verdict(attempt: KernelAttempt | None = None, machine: Processor | None = None) -> KernelVerdict:
    """The remembered verdict, or a fresh one by `attempt`, a child process; see the module."""
    machine = machine or processor()
    if not machine.has_amx:
        return KernelVerdict()
    path = _place(machine)
    remembered = _read(path)
    if remembered is not None:
        return remembered
    result, lasting = _tried(attempt or try_in_child)
    if lasting:
        with suppress(OSError):
            record = {"dropped": list(result.dropped), "reason": result.reason, "processor": machine.model}
            write_atomic(path, json.dumps(record) + "\n")
    return result


def _tried(attempt: KernelAttempt) -> tuple[KernelVerdict, bool]:
    """The verdict, and whether it may be remembered."""
    with ThreadPoolExecutor(2) as pool:  # at once: each takes a second, most of it to import
        everything, without_amx = pool.map(attempt, ((), (_AMX,)))
    if not everything.problem:
        return KernelVerdict(), True
    if everything.buffers is None:
        return KernelVerdict((_AMX, _REPACK), everything.problem), False
    if not without_amx.problem:
        return KernelVerdict((_AMX,), everything.problem), True
    return KernelVerdict(everything.buffers, everything.problem), True


def machine_key(machine: Processor | None = None) -> str:
    """32 hex digits that change with everything that decides which kernels run here and whether they work: processor,
    operating system's kernel, build of the library."""
    machine = machine or processor()
    parts = [machine.model, *sorted(machine.flags), platform.release()]
    parts += [version("llama-cpp-python"), library_sha256()]
    return key_of("\n".join(parts))


def _place(machine: Processor) -> Path:
    return config.paths().cache_dir / "kernels" / f"{machine_key(machine)}.json"


def _read(path: Path) -> KernelVerdict | None:
    try:
        record: Any = json.loads(path.read_bytes())
        dropped, reason = record["dropped"], record["reason"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if (
        isinstance(dropped, list)
        and all(isinstance(name, str) for name in dropped)
        and isinstance(reason, str)
    ):
        return KernelVerdict(tuple(dropped), reason)
    return None


def try_in_child(
    dropped: Sequence[str], command: Sequence[str] | None = None, seconds: float = SECONDS
) -> Outcome:
    """Run the trial (or another `command` that writes what it writes) without the buffer types `dropped`."""
    trial = [sys.executable, "-m", "pluralism_local.engine.kernel_trial", *dropped]
    ended = child_process.run(command or trial, seconds=seconds)
    if ended.failure:
        return Outcome(None, f"not tried: {ended.failure}")
    buffers = ended.last("buffers")
    return Outcome(None if buffers is None else tuple(buffers), ended.fault or _wrong(ended.last("error")))


def _wrong(error: object) -> str:
    if isinstance(error, float) and 0 <= error <= TOLERANCE:
        return ""
    return f"wrong results, error {error:.2g}" if isinstance(error, float) else "wrong results"
