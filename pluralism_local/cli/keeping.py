"""What `ask` does with the history: keeps the ask as it goes, and finds the conversation that it goes on with.

    Ask ──keeping──> Log ── event …, finish ──> the history          --continue ──to_continue──> Conversation

An ask never fails for the history's sake: the first trouble ends the keeping, and one warning says so at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pluralism_local.cli.output import Output
from pluralism_local.errors import Cancelled, HistoryReplaced, InvalidInput, NotFound, PlocalError
from pluralism_local.results import AnswerDelta, AnswerWithdrawn, Comment, CommentDone, ModeEvent, Result

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.history import Conversation, History
    from pluralism_local.modes import Ask

_PARTIAL_SECONDS = 2.0


class Log:
    """One ask on its way into the history.

    Attributes:
        conversation: the id under which it is kept; None if it is not (or no longer) kept.
        trouble: what ended the keeping; None if nothing did.
        replaced: told when the history's file was another in the middle; the ask is kept in the new one, whole.
    """

    def __init__(self, history: History | None, conversation: str | None) -> None:
        self.conversation = conversation
        self.trouble: PlocalError | None = None
        self.replaced: HistoryReplaced | None = None
        self._history = history
        self._turn = 0
        self._answer = ""
        self._comments: list[Comment] = []
        self._saved = time.monotonic()
        self._open = False
        self._begin: Callable[[History], None] = lambda _history: None

    def begin(self, task: Ask, settings: Settings) -> None:
        """The prompt is kept, before anything else happens."""
        from pluralism_local.history import asked_with

        def write(history: History) -> None:
            if self.conversation is None:
                self.conversation = history.begin(task.prompt)
            self._turn = history.ask(self.conversation, task.mode, task.prompt, asked_with(task, settings))
            self._open = True

        self._begin = write
        self._try(write)

    def event(self, event: ModeEvent) -> None:
        """A comment is kept when it is done, the answer so far every few seconds: what is finished outlives a crash."""
        if isinstance(event, CommentDone):
            self._comments.append(event.comment)
            comments = tuple(self._comments)
            self._try(lambda history: history.heard(self._turn, comments))
        if isinstance(event, AnswerDelta):
            self._answer += event.text
            if time.monotonic() - self._saved > _PARTIAL_SECONDS:
                self._save()
        elif isinstance(event, AnswerWithdrawn):
            self._answer = ""

    def finish(self, result: Result) -> None:
        """The result is kept."""
        self._try(lambda history: history.finish(self._turn, result))
        self._open = False

    def leave(self, error: BaseException) -> None:
        """It ended without a result: failed, or stopped with the answer so far."""
        if not self._open:
            return
        if isinstance(error, PlocalError) and not isinstance(error, Cancelled):
            message = error.message
            self._try(lambda history: history.fail(self._turn, message))
        else:
            self._save()

    def _save(self) -> None:
        self._try(lambda history: history.partial(self._turn, self._answer))
        self._saved = time.monotonic()

    def _try(self, write: Callable[[History], None]) -> None:
        if self._history is None or self.trouble is not None:
            return
        try:
            try:
                write(self._history)
            except HistoryReplaced as error:
                self.replaced, self.conversation = error, None
                self._begin(self._history)
                if write is not self._begin:
                    write(self._history)
        except PlocalError as error:
            self.trouble, self.conversation = error, None


@contextmanager
def keeping(out: Output, task: Ask, settings: Settings, conversation: str | None) -> Iterator[Log]:
    """Keep what happens in the block, if the settings say so, as a turn of `conversation` or of a new one."""
    if not settings.logging:
        yield Log(None, None)
        return
    from pluralism_local.history import History, default_path

    try:
        history = History(default_path())
    except PlocalError as error:
        _tell(out, error)
        yield Log(None, None)
        return
    with history:
        log = Log(history, conversation)
        log.begin(task, settings)
        try:
            yield log
        except BaseException as error:
            log.leave(error)
            raise
        finally:
            if log.replaced is not None:
                out.warn(f"{log.replaced.message} {log.replaced.hint}")
            if log.trouble is not None:
                _tell(out, log.trouble)


def _tell(out: Output, trouble: PlocalError) -> None:
    out.warn(f"This was not logged. {trouble.message} {trouble.hint}".rstrip())


def to_continue(id: str | None) -> Conversation:
    """The conversation with this id, or the latest that has an answer.

    Raises:
        NotFound: there is none.
        InvalidInput: several ids begin so, or it has no answer to go on from; or the history cannot be read.
    """
    from pluralism_local.history import History, default_path

    with History(default_path()) as history:
        found = history.latest(to_go_on=True) if id is None else history.get(id)
    if found is None:
        raise NotFound(
            "There is no conversation to go on with.", "Ask without --continue; `plocal logs ls` lists all."
        )
    if not found.to_go_on():
        raise InvalidInput(
            f"The conversation {found.id} has no answer to go on from.", "Ask without --conversation."
        )
    return found
