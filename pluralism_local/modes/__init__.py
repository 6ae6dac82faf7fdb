"""The modes: three ways to combine communities with a language model, and three baselines.

    Ask ──run──> overton | steerable | distributional | vanilla | prompting | moe ──> ModeEvent…, Result

A mode is a generator: whoever iterates decides how to show its events; closing it cancels. `llm` and
`communities` may be one engine or two.

A conversation is a tuple of turns: `Result.turn` of each ask goes into the next one's `Ask.turns` (see `ask`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.modes import baselines, distributional, overton, steerable
from pluralism_local.modes.ask import Ask, Mode
from pluralism_local.types import ModeEvent, ModeName

__all__ = ["MODES", "Ask", "Mode", "run"]

MODES: Mapping[ModeName, Mode] = MappingProxyType(
    {
        "overton": overton.run,
        "steerable": steerable.run,
        "distributional": distributional.run,
        "vanilla": baselines.vanilla,
        "prompting": baselines.prompting,
        "moe": baselines.moe,
    }
)


def run(
    ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop = never
) -> Iterator[ModeEvent]:
    """Answer `ask` in its mode. The last event is a `Result`, also when stopped (``complete=False``).

    Where the answer is a text, the `AnswerDelta`s add up to it (but for white space around it); an answer
    chosen by probabilities comes with the Result alone.

    Raises:
        InvalidInput: at the call: a blank prompt or an unknown mode; else as `Mode` says, while iterating.
    """
    if not ask.question:
        raise InvalidInput(
            "The prompt is empty.", "Ask something, e.g. 'Should phones be banned in schools?'."
        )
    if ask.mode not in MODES:
        raise InvalidInput(f"There is no mode '{ask.mode}'.", did_you_mean(ask.mode, MODES))
    return MODES[ask.mode](ask, llm=llm, communities=communities, should_stop=should_stop)
