"""Who is writing: a locked file for each process that has a turn running, so that the dead are told from the living.

    WriterMark(folder) ──> folder/TOKEN, locked by this process until it ends, however it ends
    is_alive(folder, token) ──> whether somebody still holds that lock

See `liveness`: an answer may pause as long as it likes, and nothing has to time out.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from pluralism_local.liveness import try_lock


class WriterMark:
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
            try_lock(self._file)
        except BaseException:
            self.close()
            raise

    def is_marked(self) -> bool:
        """Whether others can still see that it lives; not after somebody has deleted its file."""
        return self._path.exists()

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
            if not try_lock(file, shared=True):
                return True
        except OSError:  # no locks here
            return True
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    return False
