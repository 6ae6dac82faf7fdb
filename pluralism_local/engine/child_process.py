"""A child process that may die: run, waited for, and told apart by how it ended.

    command ──run──> Ended(the JSON records it wrote, how it ended)

llama.cpp ends its whole process where it asserts or faults, and nothing in the process can catch that; so what is not
known to work is tried in a child first. Records are written a line each and as soon as they are known, so that those
before a fault arrive. Failure modes: a child that cannot be started or that fails by itself (an exception, no memory)
is no fault of what it tried; `Ended.fault` is then empty and `Ended.failure` says why. One that a busy machine lets
wait is none either: it has more time by the clock for as long as it gets on with what little of a processor it gets.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import Cancelled

_STEP = 0.02  # seconds between looks at a child
_STALLED = 5.0
"""Seconds without any processor time after which a child whose time is over is taken to hang."""
_LONGEST = 10
"""Times its limit by the clock after which a child is ended whatever it does."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_ASSERTION = re.compile(
    r"(?:\S*/)?([\w.-]+\.\w+:\d+: .{1,200})"
)  # "…/llama-vocab.cpp:3422: GGML_ASSERT(tokenizer) failed"
_QUIET = {"GGML_NO_BACKTRACE": "1"}  # an assertion would call a debugger, for seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended; with both texts empty it did all it was to do.

    Attributes:
        records: what it wrote before its end.
        fault: "ended by SIGSEGV" or "not done in 20 s"; what it tried must not be done here.
        failure: why nothing can be said of what it tried, as a clause.
        complaint: what llama.cpp's assertion wrote last, with the file's name and line in its source; else "".
    """

    records: tuple[Mapping[str, Any], ...]
    fault: str = ""
    failure: str = ""
    complaint: str = ""

    def last(self, key: str) -> Any:
        """The value of the latest record with `key`; None without one."""
        return next((record[key] for record in reversed(self.records) if key in record), None)


def run(command: Sequence[str], *, seconds: float, should_stop: ShouldStop = never) -> Ended:
    """Run `command` without input for at most `seconds`, of which those that it waits for a processor do not count.

    That is told on Linux alone; elsewhere the clock counts.

    Raises:
        Cancelled: `should_stop` turned true; the child is ended.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env={**os.environ, **_QUIET}
            )
        except OSError as error:
            return Ended((), failure=f"no process could be started: {error.strerror}")
        try:
            code = _wait(child, seconds, should_stop)
        finally:
            child.kill()
            child.wait()
        complaints = _tail(err)
        records = tuple(_records(out))
    assertion = next((match[1] for line in reversed(complaints) if (match := _ASSERTION.match(line))), "")
    if code is None:
        return Ended(records, fault=f"not done in {seconds:g} s")
    if code < 0:
        return Ended(records, fault=f"ended by {_signal(-code)}", complaint=assertion)
    if code:
        return Ended(records, failure=complaints[-1][:200] if complaints else f"exit code {code}")
    return Ended(records)


def prepare(memory: int | None = None) -> None:
    """For the child itself: leave no core file behind, and take at most `memory` bytes of its own (None: no limit).

    On Linux it also ends with the thread that started it: nobody is left to read what it finds.
    """
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        system.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if (
            memory is not None
        ):  # mapped files do not count; elsewhere this limit is of the heap alone, or unknown
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


def record(**values: Any) -> None:
    """For the child itself: write a record that arrives whatever happens next."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def _wait(child: subprocess.Popen[bytes], seconds: float, should_stop: ShouldStop) -> int | None:
    """The exit code, None when its time is over."""
    began = moved = time.monotonic()
    spent = 0.0
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(_STEP)
        if should_stop():
            raise Cancelled
        now, before = time.monotonic(), spent
        spent = _processor_seconds(child.pid)
        moved = now if spent > before else moved
        waits_for_a_processor = (
            spent < seconds and now - moved < _STALLED and now - began < _LONGEST * seconds
        )
        if now - began >= seconds and not waits_for_a_processor:
            return None


def _processor_seconds(process: int) -> float:
    """What all threads of a process have had of processors; infinite where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.inf


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(file: IO[bytes]) -> list[str]:
    """The last lines, of at most 64 kB, without empty ones."""
    file.seek(max(0, file.seek(0, 2) - 2**16))
    return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]


def _records(file: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    """The lines that hold a JSON object; others are some library's."""
    file.seek(0)
    for line in file.read(2**20).splitlines():
        with suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record
