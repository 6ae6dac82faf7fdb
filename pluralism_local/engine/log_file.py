"""llama.cpp's log on the disk: short, quiet, and shared by all processes that run at once.

    text ──write──> the end of the file, which begins anew above `MOST_BYTES`

Every process appends through one open handle of its own, so that lines of several stay whole; whoever finds the file
too long empties it for all. Failure modes: none; what cannot be written is left out, and after an error nothing more
is written.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 1_000_000
"""Size at which the file begins anew; a first ask with two communities takes about a sixteenth of it."""

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class LogFile:
    """The file `path`, opened at the first text. Threads may write at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._is_given_up = False
        self._turn = threading.Lock()

    def write(self, text: str) -> None:
        """Append `text`."""
        with self._turn:
            if self._is_given_up:
                return
            try:
                descriptor, size = self._open()
                if size > MOST_BYTES:
                    os.truncate(descriptor, 0)
                os.write(descriptor, text.encode("utf-8", "replace"))
            except OSError:  # a full disk must not stop generation
                self._is_given_up = True
                self.close()

    def close(self) -> None:
        """Let go of the file; the next text opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _open(self) -> tuple[int, int]:
        """The open file and its bytes; opened again where it was deleted.

        Raises: OSError; also for what is no regular file, such as a pipe.
        """
        if self._descriptor is not None:
            status = os.fstat(self._descriptor)
            if status.st_nlink:
                return self._descriptor, status.st_size
            self.close()
        self._descriptor = os.open(self.path, _FLAGS, 0o600)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{self.path} is no file")
        return self._descriptor, status.st_size
