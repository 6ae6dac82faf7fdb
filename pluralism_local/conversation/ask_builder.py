"""An `Ask` from the settings and from what is chosen for it alone, in a new conversation or in one that goes on.

Settings, AskChoices, Conversation ──going_on──> Settings, AskChoices      as it was asked before, where nothing is told
Settings, AskChoices ──choose_pool──> Pool         Settings, prompt, AskChoices, Pool ──build_ask──> Ask
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from pluralism_local import wiring
from pluralism_local.agreement import ALONE, Deliberation, Rule
from pluralism_local.errors import InvalidInput, NotFound, did_you_mean
from pluralism_local.mode_specs import SPECS

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.history import Conversation
    from pluralism_local.mode_specs import ModeName, PromptChoice
    from pluralism_local.modes import Ask
    from pluralism_local.results import Turn
    from pluralism_local.types import Message


@dataclass(frozen=True, slots=True)
class AskChoices:
    """What is chosen for a conversation beside the settings.

    Attributes:
        specs: ``ID[:SCALE]`` of single communities; empty for the settings' pool.
        weights: theirs, in [0, 1]; empty for equal ones.
        attribute: what a steerable answer is steered towards.
        system: system message of the LLM.
    """

    specs: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    attribute: str | None = None
    system: str | None = None


MOST_ROUNDS = 5
"""Each takes as long as the first comments; voices that have not moved by then hardly will."""


def build_deliberation(
    rounds: int = 0,
    *,
    consensus: bool = False,
    rule: Rule | None = None,
    alpha: float | None = None,
    revise: bool = False,
) -> Deliberation:
    """What the voices do with each other's comments.

    Args:
        rule: maxmin where none is given, or w_alpha where `alpha` is.
        alpha: ≥ 0, also infinite.

    Raises:
        InvalidInput: out of range, or given without what it belongs to.
    """
    if not 0 <= rounds <= MOST_ROUNDS:
        raise InvalidInput(
            f"There can be 0 to {MOST_ROUNDS} rounds, got {rounds}.", "Give fewer with --rounds."
        )
    consensus_options = {"--rule": rule is not None, "--alpha": alpha is not None, "--revise": revise}
    if not consensus:
        if extra := [name for name, is_given in consensus_options.items() if is_given]:
            raise InvalidInput(f"{extra[0]} belongs to a consensus.", "Add --consensus, or leave it out.")
        return Deliberation(rounds)
    if alpha is not None and not alpha >= 0:
        raise InvalidInput(
            f"α must be 0 or more, got {alpha}.", "Use 0 for the mean, inf for the smallest score."
        )
    if alpha is not None and rule not in (None, "w_alpha"):
        raise InvalidInput(f"The rule {rule} has no α.", "Use --rule w_alpha, or leave out --alpha.")
    if rule == "w_alpha" and alpha is None:
        raise InvalidInput("The rule w_alpha needs an α.", "Add e.g. --alpha 2.")
    return Deliberation(rounds, rule or ("maxmin" if alpha is None else "w_alpha"), alpha, revise)


def find_rule(name: str | None) -> Rule | None:
    """The rule of this name.

    Raises: InvalidInput for none such.
    """
    if name is None or name in get_args(Rule):
        return cast("Rule | None", name)
    raise InvalidInput(f"There is no rule '{name}'.", did_you_mean(name, get_args(Rule)))


def going_on(
    settings: Settings, origin: Mapping[str, str], choices: AskChoices, conversation: Conversation | None
) -> tuple[Settings, AskChoices]:
    """Settings and choices as the conversation's last turn was asked, where no flag or choice says otherwise.

    Args:
        origin: where each setting came from, as `config.Loaded` says it.
        conversation: None for a new one, which leaves everything as it is.
    """
    if conversation is None:
        return settings, choices
    from pluralism_local.history import before  # it read the conversation, so it is here

    earlier = before(conversation)
    flags = {name for name, place in origin.items() if place.startswith("--")}
    same_pool = "pool" not in flags and not choices.specs
    taken_over = {
        "mode": None if "mode" in flags else earlier.mode,
        "pool": earlier.pool if same_pool else None,
    }
    update = {name: value for name, value in taken_over.items() if value}
    return settings.model_copy(update=update), AskChoices(
        specs=earlier.communities if same_pool else choices.specs,
        weights=earlier.weights if same_pool else choices.weights,
        attribute=earlier.attribute if choices.attribute is None else choices.attribute,
        system=earlier.system if choices.system is None else choices.system,
    )


def latest_or(id: str | None) -> Conversation | None:
    """The conversation with this id; without one the latest that has an answer, None if there is none.

    Raises:
        NotFound: there is none of this id.
        InvalidInput: several ids begin so, or the history cannot be read.
    """
    from pluralism_local.history import History, default_path

    with History(default_path()) as history:
        return history.latest(to_go_on=True) if id is None else history.get(id)


def to_continue(id: str | None) -> Conversation:
    """As `latest_or`, and there is an answer to go on from.

    Raises: NotFound, InvalidInput where there is not; else as `latest_or`.
    """
    conversation = latest_or(id)
    if conversation is None:
        raise NotFound(
            "There is no conversation to go on with.", "Ask without --continue; `plocal logs ls` lists all."
        )
    if not conversation.to_go_on():
        raise InvalidInput(
            f"The conversation {conversation.id} has no answer to go on from.", "Ask without --conversation."
        )
    return conversation


def choose_pool(settings: Settings, specs: Sequence[str] = (), weights: Sequence[float] = ()) -> Pool:
    """The settings' pool, or one of single communities, with these weights where there are any.

    Raises: as `wiring.find_pool`.
    """
    from pluralism_local.history import weighed

    pool = wiring.find_pool(wiring.library(settings), settings.pool, list(specs))
    return weighed(pool, weights)


def build_ask(
    settings: Settings,
    prompt: str,
    *,
    pool: Pool | None = None,
    mode: ModeName | None = None,
    attribute: str | None = None,
    options: Sequence[str] = (),
    system: str | None = None,
    turns: Sequence[Turn] = (),
    history: Sequence[Message] = (),
    positions: bool = False,
    prompts: PromptChoice = "auto",
    draws: int = 0,
    deliberation: Deliberation = ALONE,
    retries: int = 0,
    keep: bool = False,
) -> Ask:
    """The ask that the settings make of a prompt; what is not named here is as in `Ask`.

    Args:
        mode: None for the settings'.
        positions, prompts, draws: left out of an ask whose mode does not put all comments into one answer.
        retries: how often the same was asked before; each takes the next seed, so that the answer differs.

    Raises: InvalidInput for sampling values out of range.
    """
    from pluralism_local.modes import Ask

    mode = mode or settings.mode
    together = SPECS[mode].comments == "together"
    return Ask(
        prompt=prompt,
        mode=mode,
        pool=pool,
        system=system,
        attribute=attribute,
        options=tuple(options),
        orders=settings.orders,
        history=tuple(history),
        turns=tuple(turns),
        answer=settings.answer_sampling(retries),
        comment=settings.comment_sampling(retries),
        keep=keep,
        positions=positions and together,
        prompts=prompts if together else "auto",
        draws=draws if together else 0,
        deliberation=deliberation,
        take_sides=settings.take_sides,
    )
