"""What the worker tells the application.

Worker ──WorkEvent──> Outbox ──WorkProgress(events), at most 20 a second──> ChatApp ──> ChatSession.take
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from pluralism_local.results import ModeEvent, Result
from pluralism_local.types import ModelInfo

if TYPE_CHECKING:
    from pluralism_local.communities import Library, Pool
    from pluralism_local.config import Settings
    from pluralism_local.conversation.trace import Sources
    from pluralism_local.values.stakes import Values


@dataclass(frozen=True, slots=True)
class Loading:
    """Something is being got ready or looked for; `text` says how far, and nothing once it is ready."""

    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The model of `settings` can be asked; `only_continues`: it is a base model, see `Capabilities`."""

    settings: Settings
    model: ModelInfo
    only_continues: bool = False


@dataclass(frozen=True, slots=True)
class NotReady:
    """The model could not be opened. `one_goes_on`: the one before does; False means there is none."""

    message: str
    hint: str
    one_goes_on: bool


@dataclass(frozen=True, slots=True)
class PoolFound:
    """The pool that was named, and the library it is from, its cards read."""

    pool: Pool
    library: Library


@dataclass(frozen=True, slots=True)
class PoolMissing:
    """The pool that was named cannot be used."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the exchange `number`; a `Result` is its last."""

    number: int
    event: ModeEvent
    context: int | None = None
    """Tokens that the conversation takes with this result; None for other events, or where it cannot be known."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange `number` came to nothing."""

    number: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found out about the exchange `number`, which is answered; None where it came to nothing.

    `stopped`: a prompt or the user was in the way. `message`: what failed.
    """

    number: int
    finding: Result | Sources | Values | None
    stopped: bool = False
    message: str = ""


WorkEvent = Loading | Ready | NotReady | PoolFound | PoolMissing | Happened | Failed | Looked | Warned


class WorkProgress(Message):
    """Everything since the last one, in order."""

    def __init__(self, events: tuple[WorkEvent, ...]) -> None:
        super().__init__()
        self.events = events
