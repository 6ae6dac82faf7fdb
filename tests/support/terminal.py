"""A pseudo terminal with `plocal chat` in it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

ENTRY = "from pluralism_local.cli.main import entry; entry()"


class Terminal:
    """What `plocal chat` is in.

    Args:
        arguments: of `chat`.
        entry: the Python that carries out the command line.
        environ: variables besides those that are set here.
    """

    def __init__(self, *arguments: str, entry: str = ENTRY, **environ: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", entry, "chat", *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color", **environ},
        )
        self.shown = b""

    def read_until(self, reached: bytes, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while reached not in self.shown:
            assert time.monotonic() < deadline, self.shown[-2000:]
            assert self.process.poll() is None, self.shown[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)

    def read_until_end(self, seconds: float = 60) -> None:
        """Take what is still written, so that the process does not wait for a reader."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.process.poll() is not None
            assert ended or time.monotonic() < deadline, self.shown[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:  # how Linux says that the other side is closed
                    return
            elif ended:
                return

    def end(self, seconds: float = 60) -> int:
        """Wait until the process has ended by itself, and close the terminal; its exit code."""
        try:
            self.read_until_end(seconds)
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self.master)
            os.close(self.slave)

    def leave_unread(self) -> None:
        """Read no more, until the process waits to write and what is drawn meanwhile has filled its own queue."""
        full = 0
        while full < 25:
            full = 0 if select.select([], [self.slave], [], 0)[1] else full + 1
            assert self.process.poll() is None, self.shown[-2000:]
            time.sleep(0.2)

    def type(self, text: bytes) -> None:
        os.write(self.master, text)
