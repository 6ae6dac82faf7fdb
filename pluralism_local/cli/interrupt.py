"""Ctrl-C: the first one asks for a graceful end, the second one ends the process at once.

SIGINT ──> Interrupt.requested (polled by the engine as should_stop) ──> Result(complete=False) ──> exit 6
SIGINT again ──> exit 130, whatever native code is running
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pluralism_local.cli.exits import ExitCode


class Interrupt:
    """The flag that SIGINT raises; calling it is the `should_stop` of a mode."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.requested = False
        self._tell = tell

    def __call__(self) -> bool:
        return self.requested

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """The signal handler; `os._exit` the second time, since native code may never return to Python."""
        if self.requested:
            os._exit(ExitCode.INTERRUPTED)
        self.requested = True
        with suppress(RuntimeError):  # a signal inside a write of the same stream
            self._tell("Stopping; Ctrl-C again quits at once.")


@contextmanager
def graceful(tell: Callable[[str], None]) -> Iterator[Interrupt]:
    """Catch SIGINT while the block runs; not where it is ignored (a background job) or cannot be caught."""
    interrupt = Interrupt(tell)
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
