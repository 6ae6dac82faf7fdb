"""Ctrl-C: at once while there is nothing to lose; then the first asks for a graceful end, the second forces it.

    opening models   SIGINT ──> leave ──> exit 130
    a mode runs      SIGINT ──> Interrupt.requested (polled as should_stop) ──> Result(complete=False) ──> exit 6
                     SIGINT again ──> leave ──> exit 130

`leave` ends the process from inside the signal handler: raising KeyboardInterrupt would not do, since an exception
inside a callback of native code is lost and the work goes on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pluralism_local.cli.exits import ExitCode, ReaderGone, describe
from pluralism_local.cli.output import Output
from pluralism_local.unfinished import discard_all


class Interrupt:
    """The flag that SIGINT raises; calling it is the `should_stop` of a mode.

    Attributes:
        requested: SIGINT came while `graceful`.
        graceful: there may be something to keep, so the first SIGINT only sets the flag.
    """

    def __init__(self, tell: Callable[[str], None], leave: Callable[[], None]) -> None:
        self.requested = False
        self.graceful = False
        self._tell = tell
        self._leave = leave

    def __call__(self) -> bool:
        return self.requested

    def handle(self, _signal: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        if self.requested or not self.graceful:
            self._leave()
        self.requested = True
        with suppress(RuntimeError):  # the signal came in the middle of a write to the same stream
            self._tell("Stopping; Ctrl-C again quits at once.")


@contextmanager
def catching(out: Output) -> Iterator[Interrupt]:
    """Catch SIGINT while the block runs; not where it is ignored (a background job) or cannot be caught."""

    def leave() -> None:
        with suppress(RuntimeError, ReaderGone):
            out.fail(describe(KeyboardInterrupt()))
        discard_all()
        os._exit(ExitCode.INTERRUPTED)

    interrupt = Interrupt(out.note if out.interactive else lambda _text: None, leave)
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield interrupt
        return
    before = signal.signal(signal.SIGINT, interrupt.handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
