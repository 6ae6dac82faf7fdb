"""The terminal goes away while the chat answers: the process ends by itself and the turn is marked."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from pluralism_local.history import History, default_path

pytestmark = pytest.mark.usefixtures("starter_path")

ENTRY = "from pluralism_local.cli.main import entry; entry()"


class Terminal:
    """A pseudo terminal with `plocal chat` in it."""

    def __init__(self, *arguments: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, "chat", *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color"},
        )
        self.shown = b""

    def read_until(self, reached: bytes, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while reached not in self.shown:
            assert time.monotonic() < deadline, self.shown[-2000:]
            assert self.process.poll() is None, self.shown[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536)

    def read_until_end(self) -> None:
        """Take what is still written, so that the process does not wait for a reader."""
        while self.process.poll() is None:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:  # how Linux says that the other side is closed
                    break

    def leave_unread(self) -> None:
        """Read no more, until the process waits to write and what is drawn meanwhile has filled its own queue."""
        full = 0
        while full < 25:
            full = 0 if select.select([], [self.slave], [], 0)[1] else full + 1
            assert self.process.poll() is None, self.shown[-2000:]
            time.sleep(0.2)

    def type(self, text: bytes) -> None:
        os.write(self.master, text)


@pytest.mark.parametrize("ending", ["closed", "closed while nothing was read", signal.SIGTERM])
def test_the_process_ends_and_the_turn_is_marked_stopped(ending: object) -> None:
    terminal = Terminal("--mode", "vanilla", "--max-tokens", "4000", "--threads", "1")
    try:
        terminal.read_until(b"8,192 ctx")
        terminal.type(b"Tell a very long story with many chapters.\r")
        terminal.read_until(b"answering")
        if ending == "closed":
            os.close(terminal.master)
        elif ending == "closed while nothing was read":
            terminal.leave_unread()
            os.close(terminal.master)
        else:
            terminal.process.send_signal(signal.SIGTERM)
            terminal.read_until_end()
        code = terminal.process.wait(120)
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.slave)
    assert code in (0, 1)
    with History(default_path()) as history:
        found = history.latest()
    assert found is not None
    assert [turn.status for turn in found.turns] == ["stopped"]
    assert found.turns[0].record is not None  # the result was kept, not only what had been saved meanwhile
