"""Locks that end with their process: whoever holds one is alive, whatever else has happened to it.

    open file ──try_lock──> True, until it is closed or its process ends | False: another holds it

The kernel drops the lock with the process: after a kill -9 or a power cut nothing has to time out, and a process id
used again misleads nobody. A process forked without exec holds its parent's locks too. POSIX systems lock the file
(flock), Windows its first byte (msvcrt.locking); there two processes that look at a lock in the same moment may see
each other's until they look again.
"""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes], *, shared: bool) -> None:
        del shared  # Windows has no such lock for a byte
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:  # what a held lock is called there
            raise BlockingIOError from error
else:
    import fcntl

    def _lock(file: IO[bytes], *, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def try_lock(file: IO[bytes], *, shared: bool = False) -> bool:
    """Take the lock of an open file without waiting; whether it could be taken, for `shared` beside other shared ones.

    Raises: OSError where the file system has no locks.
    """
    try:
        _lock(file, shared=shared)
    except BlockingIOError:
        return False
    return True
