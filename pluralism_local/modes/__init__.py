"""The modes: three ways to combine communities with a language model, and three baselines.

    Ask ──run──> overton | steerable | distributional | vanilla | prompting | moe ──> ModeEvent…, Result
    Ask, comments, answer ──find_positions──> Result, with the window that nobody looked for before
                          ──draw_more──> Result, with the positions of many more comments

What each mode is lies in `mode_specs`, how it goes in `algorithms`. `run` is a generator: whoever iterates decides how
to show its events; closing it cancels. `llm` and `communities` may be one engine or two.

A conversation is a tuple of turns: `Result.turn` of each ask goes into the next one's `Ask.turns` (see `ask`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, cast

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.mode_specs import MODES, SPECS, ModeName, ModeSpec
from pluralism_local.modes.afterwards import draw_more, find_positions
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.driver import carry_out, prepared
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.steps import Case, Entailment, Steps
from pluralism_local.prompts import Prompt
from pluralism_local.results import ModeEvent

__all__ = ["MODES", "Ask", "algorithm", "check", "draw_more", "find_positions", "own_prompts", "run"]


def algorithm(mode: ModeName) -> Callable[[Case[Any]], Steps]:
    """The steps of a mode: the function of its name in the module of `algorithms` that its spec names."""
    module = import_module(f"{__name__}.algorithms.{SPECS[mode].module}")
    return cast(Callable[[Case[Any]], Steps], getattr(module, mode))


def own_prompts(mode: ModeName) -> tuple[Prompt, ...]:
    """Prompts that stand in the module of a mode's algorithm, which words with them itself; others have a wording."""
    module = import_module(f"{__name__}.algorithms.{SPECS[mode].module}")
    return tuple(value for value in vars(module).values() if isinstance(value, Prompt))


def run(
    ask: Ask,
    *,
    llm: LanguageModel,
    communities: LanguageModel,
    should_stop: ShouldStop = never,
    entailment: Entailment | None = None,
    habits: Habits | None = None,
) -> Iterator[ModeEvent]:
    """Answer `ask` in its mode. The last event is a `Result`, also when stopped (``complete=False``).

    Where the answer is a text, the `AnswerDelta`s add up to it (but for white space around it); an answer
    chosen by probabilities comes with the Result alone.

    Args:
        entailment: tells whether comments support positions, where the ask looks for them; None for the LLM's own
            probabilities.
        habits: of personas that were measured before, where the ask wants sides; None for none.

    Raises:
        InvalidInput: at the call: a blank prompt or an unknown mode; while iterating, before anything is generated:
            something the mode needs is missing.
        Unsupported: an engine cannot do what the mode needs; before anything is generated.
        PlocalError: as the engines raise, while there are no comments to keep. Once there are, a failure of
            the LLM ends in a Result with ``complete=False`` and the failure among its warnings.
    """
    return _run(check(ask), ask, llm, communities, should_stop, entailment, habits)


def check(ask: Ask) -> ModeSpec:
    """What the ask's mode is.

    Raises:
        InvalidInput: a blank prompt or an unknown mode.
    """
    if not ask.question:
        raise InvalidInput(
            "The prompt is empty.", "Ask something, e.g. 'Should phones be banned in schools?'."
        )
    if ask.mode not in SPECS:
        raise InvalidInput(f"There is no mode '{ask.mode}'.", did_you_mean(ask.mode, MODES))
    return SPECS[ask.mode]


def _run(
    spec: ModeSpec,
    ask: Ask,
    llm: LanguageModel,
    communities: LanguageModel,
    should_stop: ShouldStop,
    entailment: Entailment | None,
    habits: Habits | None,
) -> Iterator[ModeEvent]:
    draft, case = prepared(spec, ask, llm, communities, entails=entailment is not None, habits=habits)
    yield from carry_out(draft, algorithm(spec.name)(case), communities, should_stop, entailment)
