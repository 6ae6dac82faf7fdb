"""What the user has chosen, and what has been said: one frozen value that the session replaces.

Start (command line) ──taking_over──> Start (and its conversation) ──ChatState.begin──> ChatState ──replace──> …
ChatState + Exchange ──ask_of──> Ask
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pluralism_local.mode_specs import ModeName
from pluralism_local.model_names import STARTER
from pluralism_local.results import Turn
from pluralism_local.tui.exchange import Exchange
from pluralism_local.types import Sampling

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.history import Conversation
    from pluralism_local.modes import Ask

ENGINE_SETTINGS = (
    "model",
    "ctx_size",
    "gpu_layers",
    "threads",
    "template",
    "weights",
    "plan",
    "prefixes",
    "offline",
    "aliases",
)
"""Settings that an open engine cannot take on."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a chat begins.

    Attributes:
        origin: where each setting came from, as `config.Loaded` says it.
        specs: ``ID[:SCALE]`` of single communities; empty for the settings' pool.
        weights: theirs; empty for equal ones.
        communities_model, default_local: as `wiring.open_handles` takes them.
        force: use adapters of another base model.
        log: write the history.
        conversation: the one to go on with.
        remarks: told when the chat is there.
    """

    settings: Settings
    origin: dict[str, str]
    specs: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    communities_model: str | None = None
    default_local: str = STARTER
    attribute: str | None = None
    system: str | None = None
    force: bool = False
    log: bool = True
    conversation: Conversation | None = None
    remarks: tuple[str, ...] = ()

    def taking_over(self) -> Start:
        """The same, with what the conversation was asked with where no option says otherwise."""
        if self.conversation is None:
            return self
        from pluralism_local.history import before  # it read the conversation, so it is here

        earlier = before(self.conversation)
        told = {name for name, origin in self.origin.items() if origin.startswith("--")}
        same_pool = "pool" not in told and not self.specs
        found = {
            "mode": None if "mode" in told else earlier.mode,
            "pool": earlier.pool if same_pool else None,
        }
        update = {name: value for name, value in found.items() if value is not None}
        return replace(
            self,
            settings=self.settings.model_copy(update=update),
            specs=earlier.communities if same_pool else self.specs,
            weights=earlier.weights if same_pool else self.weights,
            attribute=earlier.attribute if self.attribute is None else self.attribute,
            system=earlier.system if self.system is None else self.system,
        )


@dataclass(frozen=True, slots=True)
class ChatState:
    """The choices in force for the next prompt, and the conversation so far.

    Attributes:
        settings: the model among them is the one that is open (or is being opened for the first time).
        pool: None until its cards are read, or if they cannot be.
        retries: how often the last prompt was asked again; added to the seed, so that the answer differs.
        turns: finished exchanges that a follow-up goes on from, oldest first.
    """

    settings: Settings
    mode: ModeName
    pool: Pool | None = None
    attribute: str = ""
    options: tuple[str, ...] = ()
    system: str | None = None
    retries: int = 0
    turns: tuple[Turn, ...] = ()

    @staticmethod
    def begin(start: Start) -> ChatState:
        """The state before anything was said."""
        turns = start.conversation.to_go_on() if start.conversation else ()
        return ChatState(
            start.settings,
            start.settings.mode,
            attribute=start.attribute or "",
            system=start.system,
            turns=turns,
        )

    @property
    def seed(self) -> int:
        """In [0, 2**32)."""
        return (self.settings.seed + self.retries) % 2**32

    def ask_of(self, exchange: Exchange) -> Ask:
        """The exchange as a mode takes it, after the turns so far.

        Raises: InvalidInput for sampling values out of range.
        """
        from pluralism_local.modes import Ask  # not needed for the first paint

        use = self.settings
        return Ask(
            prompt=exchange.prompt,
            mode=exchange.mode,
            pool=self.pool,
            system=self.system,
            attribute=exchange.attribute,
            options=exchange.options,
            turns=self.turns,
            answer=Sampling(use.temperature, use.top_p, use.max_tokens, self.seed),
            comment=Sampling(use.comment_temperature, use.comment_top_p, use.comment_max_tokens, self.seed),
            keep=True,
        )
