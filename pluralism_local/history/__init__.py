"""The conversations this user has had, kept in one SQLite file; and ways in and out of it.

    History(path) ── begin ──> ask ──> partial … ──> finish | fail          as a conversation goes
                  ── list, get, latest ──> ConversationSummary, Conversation         also from other processes meanwhile
    Conversation ──to_go_on──> what `Ask.turns` wants          Conversation ──before──> how to ask the next turn
    Conversation… ──interchange.dump | markdown.dump | page.dump──> text    text ──interchange.load──> History.add

Every step is on the disk before its call returns, so a crash or a power cut loses at most what the running
answer had not yet handed to `partial`. Failure modes are `PlocalError`s, in `database`'s words.
"""

from __future__ import annotations

from pathlib import Path

from pluralism_local import config
from pluralism_local.history.provenance import Before, asked_with, before, weighed
from pluralism_local.history.store import History
from pluralism_local.history.values import Conversation, ConversationSummary, Counts, StoredTurn, short_title

__all__ = [
    "Before",
    "Conversation",
    "ConversationSummary",
    "Counts",
    "History",
    "StoredTurn",
    "asked_with",
    "before",
    "default_path",
    "short_title",
    "weighed",
]


def default_path() -> Path:
    """Where this user's history lies, whether it exists or not."""
    return config.paths().data_dir / "logs.db"
