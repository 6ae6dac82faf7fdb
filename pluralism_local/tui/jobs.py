"""What the worker is given to do: to ask a prompt, or to find something out about an answer.

AskJob(number, ask, …) ──Worker.ask──>        Lookup(number, kind, …) ──Worker.look──>        stop.set() ends either
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from pluralism_local.results import Result

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.conversation.history_log import ConversationLog
    from pluralism_local.modes import Ask

LookupKind = Literal["positions", "draws", "sources", "values"]


@dataclass(slots=True)
class AskJob:
    """One prompt to carry out.

    Attributes:
        turn: its number in the history once it has one.
        result: once it is there, with what was found out about it since; the worker's alone.
    """

    number: int
    ask: Ask
    settings: Settings
    log: ConversationLog
    force: bool = False
    retry_of: int | None = None
    turn: int | None = None
    result: Result | None = None
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """One thing to find out about the exchange `number`.

    Attributes:
        ask: as the exchange was asked, with the conversation before it.
        comments: community and text, in the pool's order.
        settings: of the model that is open.
        job: that asked it, whose result gets what is found, in the history, too; None for an answer of the history,
            which stays there as it is.
        draws: comments of each community, to count their positions.
    """

    number: int
    kind: LookupKind
    ask: Ask
    comments: tuple[tuple[str, str], ...]
    answer: str
    settings: Settings
    job: AskJob | None = None
    draws: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


class Asks(Protocol):
    """What the session needs of a `Worker`."""

    def open(self, settings: Settings, *, communities: bool) -> None: ...

    def find_pool(self, settings: Settings, specs: tuple[str, ...]) -> None: ...

    def ask(self, job: AskJob) -> None: ...

    def look(self, lookup: Lookup) -> None: ...
