"""Who is writing: a locked file for each process that has a turn running, so that the dead are told from the living.

    Writer(folder) ──> folder/TOKEN, locked by this process until it ends, however it ends
    is_alive(folder, token) ──> whether somebody still holds that lock

The kernel drops the lock with the process: after a kill -9 or a power cut nothing has to time out, a process
id used again misleads nobody, and an answer may pause as long as it likes. A process forked without exec holds
its parent's locks too. POSIX systems lock the file (flock), Windows its first byte (msvcrt.locking); there two
processes that look at a dead writer in the same moment may see each other's lock and call it alive until they look
again.
"""

from __future__ import annotations

import contextlib
import sys
import uuid
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes], *, shared: bool) -> None:
        """Raises: OSError if another holds it."""
        del shared  # Windows has no such lock for a byte
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes], *, shared: bool) -> None:
        """Raises: OSError if another holds it, for `shared` in a way of its own."""
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class Writer:
    """This process's mark.

    Attributes:
        token: its name, never used again.
    """

    def __init__(self, folder: Path) -> None:
        """Raises: OSError if the folder cannot be written or its file system has no locks."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self.token = uuid.uuid4().hex
        self._path = folder / self.token
        self._file = self._path.open("xb")
        try:
            _lock(self._file, shared=False)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """From now on it counts as dead. Closing twice is fine."""
        self._file.close()
        with contextlib.suppress(OSError):  # after closing it: Windows deletes no open file
            self._path.unlink(missing_ok=True)


def is_alive(folder: Path, token: str) -> bool:
    """Whether the writer of this token still runs; what a dead one left behind is swept away."""
    path = folder / token
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    except OSError:  # not ours to open: leave its turns alone
        return True
    with file:
        try:
            _lock(file, shared=True)
        except OSError:
            return True
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return False
