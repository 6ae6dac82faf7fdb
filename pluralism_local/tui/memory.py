"""The history as a chat uses it: opened late, given up with one warning.

    Memory(path) ──history()──> History, or None where it cannot be opened
         └── conversation(title) ──> Log ──ask, partial, finish, fail──> the database, if writing is on

What goes wrong with the history never stops an answer: the first trouble is told, then writing ends. A bug ends the
writing too, and is the worker's to tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pluralism_local.errors import PlocalError
from pluralism_local.figures import one_line

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.history import History
    from pluralism_local.modes import Ask
    from pluralism_local.types import Result

PARTIAL_SECONDS = 2.0
"""How often a running answer is saved: what a power cut can cost."""


class Memory:
    """The database behind a chat.

    Args:
        path: of the database; None for the user's own.
        writing: False reads only (``--no-log``).
        warn: told once why nothing is written any more.
    """

    def __init__(self, path: Path | None, *, writing: bool, warn: Callable[[str], None]) -> None:
        self.writing = writing
        self._path = path
        self._warn = warn
        self._history: History | None = None
        self._lock = threading.Lock()

    def history(self) -> History:
        """The database, opened at the first call; safe from any thread.

        Raises: Refused, InvalidInput when it cannot be opened; see `History`.
        """
        with self._lock:
            if self._history is None:
                from pluralism_local.history import History, default_path

                self._history = History(self._path or default_path()).__enter__()
            return self._history

    def close(self) -> None:
        """Close the database if it was opened."""
        with self._lock:
            if self._history is not None:
                self._history.__exit__(None, None, None)
                self._history = None

    def give_up(self, error: PlocalError) -> None:
        """Write no more, and say why."""
        self.writing = False
        self._warn(f"The history is not written: {one_line(f'{error.message} {error.hint}')}")


class Log:
    """One conversation of the history, begun with its first prompt.

    Used from the worker's thread; `id` is None before the first prompt and where nothing is written.
    """

    def __init__(self, memory: Memory, id: str | None = None) -> None:
        self.id = id
        self._memory = memory
        self._turn: int | None = None
        self._saved = 0.0

    def ask(self, ask: Ask, settings: Settings, retry_of: int | None) -> int | None:
        """A turn begins; its number in the database, None where nothing is written."""
        from pluralism_local.history import asked_with

        def write() -> None:
            history = self._memory.history()
            if self.id is None:
                self.id = history.begin(ask.prompt)
            more = {} if retry_of is None else {"retry_of": retry_of}
            self._turn = history.ask(self.id, ask.mode, ask.prompt, {**asked_with(ask, settings), **more})
            self._saved = time.monotonic()

        self._turn = None
        self._try(write)
        return self._turn

    def partial(self, answer: str) -> None:
        """Save the answer so far, if the last time is long enough ago."""
        now, turn = time.monotonic(), self._turn
        if turn is not None and now - self._saved >= PARTIAL_SECONDS:
            self._saved = now
            self._try(lambda: self._memory.history().partial(turn, answer))

    def finish(self, result: Result) -> None:
        """The turn is over."""
        if (turn := self._turn) is not None:
            self._try(lambda: self._memory.history().finish(turn, result))

    def fail(self, message: str) -> None:
        """The turn came to nothing."""
        if (turn := self._turn) is not None:
            self._try(lambda: self._memory.history().fail(turn, message))

    def _try(self, write: Callable[[], None]) -> None:
        if not self._memory.writing:
            return
        try:
            write()
        except PlocalError as error:
            self._memory.give_up(error)
        except Exception:
            self._memory.writing = False  # or the next write would fail the same way while this is being told
            raise
