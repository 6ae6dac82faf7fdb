"""The history as a chat uses it: opened late, given up with one warning.

    Memory(path) ──history()──> History, or None where it cannot be opened
         └── conversation(title) ──> Log ──ask, heard, partial, finish, fail──> the database, if writing is on

What goes wrong with the history never stops an answer: the first trouble is told, then writing ends. A bug ends the
writing too, and is the worker's to tell. A history, or a conversation, that was deleted under the chat is begun anew
with the turn that is being written, which is told, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local.display.figures import one_line
from pluralism_local.errors import HistoryReplaced, NotFound, PlocalError

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.history import History
    from pluralism_local.mode_specs import ModeName
    from pluralism_local.modes import Ask
    from pluralism_local.results import Comment, Result

_Write = Callable[["History", int], object]
"""Writes to the turn of that number."""

PARTIAL_SECONDS = 2.0
"""How often a running answer is saved: what a power cut can cost."""

_DELETED = "The conversation was deleted from the history meanwhile; it begins anew there with this prompt."


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

    def tell(self, text: str) -> None:
        """Say what has happened to the history, which is written all the same."""
        self._warn(one_line(text))

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
        self._begun: _Turn | None = None
        self._comments: list[Comment] = []
        self._turns = set[int]()  # that were written to this conversation here
        self._saved = 0.0

    def ask(self, ask: Ask, settings: Settings, retry_of: int | None) -> int | None:
        """A turn begins; its number in the database, None where nothing is written."""
        from pluralism_local.history import asked_with

        self._turn = None
        self._comments.clear()
        self._begun = _Turn(ask.mode, ask.prompt, asked_with(ask, settings), retry_of)
        self._try(None)
        return self._turn

    def partial(self, answer: str) -> None:
        """Save the answer so far, if the last time is long enough ago."""
        now = time.monotonic()
        if self._turn is not None and now - self._saved >= PARTIAL_SECONDS:
            self._saved = now
            self._try(lambda history, turn: history.partial(turn, answer))

    def heard(self, comment: Comment) -> None:
        """Save a comment that is done, with those before it."""
        self._comments.append(comment)
        comments = tuple(self._comments)
        if self._turn is not None:
            self._try(lambda history, turn: history.heard(turn, comments))

    def finish(self, result: Result) -> None:
        """The turn is over."""
        if self._turn is not None:
            self._try(lambda history, turn: history.finish(turn, result))

    def fail(self, message: str) -> None:
        """The turn came to nothing."""
        if self._turn is not None:
            self._try(lambda history, turn: history.fail(turn, message))

    def _try(self, write: _Write | None) -> None:
        """Write to the turn, which is begun first where it is not there, or no longer."""
        begun = self._begun
        if begun is None or not self._memory.writing:
            return
        try:
            try:
                self._write(begun, write)
            except (HistoryReplaced, NotFound) as error:
                gone = f"{error.message} {error.hint}" if isinstance(error, HistoryReplaced) else _DELETED
                self._memory.tell(gone)
                self.id = self._turn = None
                self._write(begun, write)
        except PlocalError as error:
            self._memory.give_up(error)
        except Exception:
            self._memory.writing = False  # or the next write would fail the same way while this is being told
            raise

    def _write(self, begun: _Turn, write: _Write | None) -> None:
        history = self._memory.history()
        if self.id is None:
            self.id = history.begin(begun.prompt)
            self._turns.clear()
        if self._turn is None:
            again = {"retry_of": begun.retry_of} if begun.retry_of in self._turns else {}
            self._turn = history.ask(self.id, begun.mode, begun.prompt, {**begun.asked_with, **again})
            self._turns.add(self._turn)
            self._saved = time.monotonic()
        if write is not None:
            write(history, self._turn)


@dataclass(frozen=True, slots=True)
class _Turn:
    """How the turn that is being written was asked."""

    mode: ModeName
    prompt: str
    asked_with: dict[str, Any]
    retry_of: int | None
