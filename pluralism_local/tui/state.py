"""What the user has chosen, and what has been said: one frozen value that the session replaces.

Start (command line) ──taking_over──> Start (and its conversation) ──ChatState.begin──> ChatState ──replace──> …
ChatState + Exchange ──ask_of──> Ask
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pluralism_local.conversation.ask_builder import AskChoices, build_ask, going_on
from pluralism_local.mode_specs import ModeName
from pluralism_local.model_names import STARTER
from pluralism_local.results import Turn
from pluralism_local.tui.exchange import Exchange

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.history import Conversation
    from pluralism_local.modes import Ask


@dataclass(frozen=True, slots=True)
class Start:
    """How a chat begins.

    Attributes:
        origin: where each setting came from, as `config.Loaded` says it.
        choices: of the command line, beside the settings.
        communities_model, default_local: as `conversation.engines` takes them.
        force: use adapters of another base model.
        draws: comments to draw of each community after every overton answer; 0 for none.
        log: write the history.
        conversation: the one to go on with.
        remarks: told when the chat is there.
    """

    settings: Settings
    origin: dict[str, str]
    choices: AskChoices = field(default_factory=AskChoices)
    communities_model: str | None = None
    default_local: str = STARTER
    force: bool = False
    draws: int = 0
    log: bool = True
    conversation: Conversation | None = None
    remarks: tuple[str, ...] = ()

    def taking_over(self) -> Start:
        """The same, with what the conversation was asked with where no option says otherwise."""
        settings, choices = going_on(self.settings, self.origin, self.choices, self.conversation)
        return replace(self, settings=settings, choices=choices)


@dataclass(frozen=True, slots=True)
class ChatState:
    """The choices in force for the next prompt, and the conversation so far.

    Attributes:
        settings: the model among them is the one that is open (or is being opened for the first time).
        pool: None until its cards are read, or if they cannot be.
        retries: how often the last prompt was asked again; added to the seed, so that the answer differs.
        turns: finished exchanges that a follow-up goes on from, oldest first.
        draws: comments to draw of each community after every overton answer; 0 for none.
    """

    settings: Settings
    mode: ModeName
    pool: Pool | None = None
    attribute: str = ""
    options: tuple[str, ...] = ()
    system: str | None = None
    retries: int = 0
    turns: tuple[Turn, ...] = ()
    draws: int = 0

    @staticmethod
    def begin(start: Start) -> ChatState:
        """The state before anything was said."""
        turns = start.conversation.to_go_on() if start.conversation else ()
        return ChatState(
            start.settings,
            start.settings.mode,
            attribute=start.choices.attribute or "",
            system=start.choices.system,
            turns=turns,
            draws=start.draws,
        )

    @property
    def seed(self) -> int:
        """Of the next ask, in [0, 2**32)."""
        return self.settings.answer_sampling(self.retries).seed

    def ask_of(self, exchange: Exchange, turns: tuple[Turn, ...] | None = None) -> Ask:
        """The exchange as a mode takes it, after these turns; None for those so far.

        Raises: InvalidInput for sampling values out of range.
        """
        return build_ask(
            self.settings,
            exchange.prompt,
            mode=exchange.mode,
            pool=self.pool,
            system=self.system,
            attribute=exchange.attribute,
            options=exchange.options,
            turns=self.turns if turns is None else turns,
            retries=self.retries,
            keep=True,
        )
