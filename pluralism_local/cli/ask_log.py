"""An ask's place in the history, while it runs.

Ask, settings ──logged──> ConversationLog, for as long as the block lasts
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pluralism_local.cli.output import Output
from pluralism_local.conversation.history_log import ConversationLog, HistoryLog
from pluralism_local.errors import Cancelled, PlocalError

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.modes import Ask


@contextmanager
def logged(out: Output, task: Ask, settings: Settings, conversation: str | None) -> Iterator[ConversationLog]:
    """Keep what happens in the block, if the settings say so, as a turn of `conversation` or of a new one.

    An ask never fails for the history's sake: what went wrong with it is told at the end.
    """
    sentences: list[str] = []
    history = HistoryLog(
        None,
        writing=settings.logging,
        tell=sentences.append,
        given_up=lambda error: sentences.append(
            f"This was not logged. {error.message} {error.hint}".rstrip()
        ),
    )
    log = ConversationLog(history, conversation)
    try:
        log.begin(task, settings)
        yield log
    except PlocalError as error:
        if isinstance(error, Cancelled):
            log.stop()
        else:
            log.fail(error.message)
        raise
    except BaseException:
        log.stop()
        raise
    finally:
        history.close()
        for sentence in sentences:
            out.warn(sentence)
