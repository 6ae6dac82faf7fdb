"""Conversations on their way into the history: opened late, written as they go, given up with one sentence.

    HistoryLog(path) ──history()──> History, which may be one that cannot be opened
         └── ConversationLog ──begin, event…, finish | fail | stop──> the database, if writing is on

What goes wrong with the history never stops an answer: the first trouble is told, then writing ends. A bug ends the
writing too, and is the caller's to tell. A history, or a conversation, that was deleted meanwhile is begun anew with
the turn that is being written, which is told, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local.errors import HistoryReplaced, NotFound, PlocalError
from pluralism_local.results import AnswerDelta, AnswerWithdrawn, Comment, CommentDone, ModeEvent, Result

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.history import History
    from pluralism_local.mode_specs import ModeName
    from pluralism_local.modes import Ask

_Write = Callable[["History", int], object]
"""Writes to the turn of that number."""

PARTIAL_SECONDS = 2.0
"""How often a running answer is saved: what a power cut can cost."""

_DELETED = "The conversation was deleted from the history meanwhile; it begins anew there with this prompt."


class HistoryLog:
    """The database behind a front end.

    Args:
        path: of the database; None for the user's own.
        writing: False reads only (``--no-log``).
        tell: told what has happened to the history, which is written all the same.
        given_up: told once why nothing is written any more.

    Attributes:
        writing: whether anything is written (any more).
    """

    def __init__(
        self,
        path: Path | None,
        *,
        writing: bool,
        tell: Callable[[str], None],
        given_up: Callable[[PlocalError], None],
    ) -> None:
        self.writing = writing
        self.tell = tell
        self._path = path
        self._given_up = given_up
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
        """Close the database if it was opened; a turn that still runs counts as stopped from then on."""
        with self._lock:
            if self._history is not None:
                self._history.__exit__(None, None, None)
                self._history = None

    def give_up(self, error: PlocalError) -> None:
        """Write no more, and say why."""
        self.writing = False
        self._given_up(error)


class ConversationLog:
    """One conversation of the history, begun with its first prompt; used from one thread.

    Args:
        log: where it is written.
        id: of a conversation to go on with; None for a new one.
    """

    def __init__(self, log: HistoryLog, id: str | None = None) -> None:
        self._log = log
        self._id = id
        self._begun: _Turn | None = None
        self._turn: int | None = None  # its number in the database; None outside of begin … finish
        self._turns = set[int]()  # that were written to this conversation here
        self._answer = ""
        self._comments: list[Comment] = []
        self._saved = 0.0

    @property
    def conversation(self) -> str | None:
        """The id under which it is kept; None before the first prompt, and if it is not (or no longer) kept."""
        return self._id if self._log.writing else None

    def begin(self, ask: Ask, settings: Settings, retry_of: int | None = None) -> int | None:
        """A turn begins, before anything else happens.

        Args:
            retry_of: the turn that this one asks again; None for none.

        Returns:
            Its number in the database; None where nothing is written.
        """
        from pluralism_local.history import asked_with

        self._turn, self._answer = None, ""
        self._comments.clear()
        self._begun = _Turn(ask.mode, ask.prompt, asked_with(ask, settings), retry_of)
        self._try(None)
        return self._turn

    def event(self, event: ModeEvent) -> None:
        """A comment is kept when it is done, the answer so far every few seconds: what is finished outlives a crash."""
        match event:
            case CommentDone():
                self._comments.append(event.comment)
                comments = tuple(self._comments)
                self._write(lambda history, turn: history.heard(turn, comments))
            case AnswerDelta():
                self._answer += event.text
                if time.monotonic() - self._saved >= PARTIAL_SECONDS:
                    self._save()
            case AnswerWithdrawn():
                self._answer = ""

    def finish(self, result: Result) -> None:
        """The turn is over."""
        self._write(lambda history, turn: history.finish(turn, result))
        self._turn = None

    def amend(self, turn: int, result: Result) -> None:
        """A turn that is over has a fuller result; nothing happens to one that was deleted meanwhile."""
        if not self._log.writing or turn not in self._turns:
            return
        try:
            self._log.history().finish(turn, result)
        except (HistoryReplaced, NotFound):
            return
        except PlocalError as error:
            self._log.give_up(error)

    def fail(self, message: str) -> None:
        """The turn came to nothing."""
        self._write(lambda history, turn: history.fail(turn, message))
        self._turn = None

    def stop(self) -> None:
        """The turn was broken off; the answer so far stays. Nothing happens to one that is over."""
        self._save()
        self._turn = None

    def _save(self) -> None:
        answer, self._saved = self._answer, time.monotonic()
        self._write(lambda history, turn: history.partial(turn, answer))

    def _write(self, write: _Write) -> None:
        if self._turn is not None:
            self._try(write)

    def _try(self, write: _Write | None) -> None:
        """Write to the turn, which is begun first where it is not there, or no longer."""
        begun = self._begun
        if begun is None or not self._log.writing:
            return
        try:
            try:
                self._write_to(begun, write)
            except (HistoryReplaced, NotFound) as error:
                gone = f"{error.message} {error.hint}" if isinstance(error, HistoryReplaced) else _DELETED
                self._log.tell(gone)
                self._id = self._turn = None
                self._write_to(begun, write)
        except PlocalError as error:
            self._log.give_up(error)
        except Exception:
            self._log.writing = False  # or the next write would fail the same way while this is being told
            raise

    def _write_to(self, begun: _Turn, write: _Write | None) -> None:
        history = self._log.history()
        if self._id is None:
            self._id = history.begin(begun.prompt)
            self._turns.clear()
        if self._turn is None:
            again = {"retry_of": begun.retry_of} if begun.retry_of in self._turns else {}
            self._turn = history.ask(self._id, begun.mode, begun.prompt, {**begun.asked_with, **again})
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
