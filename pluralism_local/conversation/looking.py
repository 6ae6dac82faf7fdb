"""What the models are asked about an answer that is there: positions, who said what of it, the question's values.

Ask, comments, answer ──search──> Result, with the window ──with_search──> the answer's result, complete
                      ──draw──> Result, with the draws ──with_search──> the same
comments, answer ──sources──> Sources: by entailment, or by the words they share where there is no scorer
question ──values──> Values at stake in it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, Unpack

from pluralism_local import modes
from pluralism_local.conversation.trace import Sources, trace, trace_by_entailment
from pluralism_local.engine.base import ShouldStop
from pluralism_local.entailment import entailment
from pluralism_local.results import Comment, Result
from pluralism_local.types import Usage

if TYPE_CHECKING:
    from pluralism_local.conversation.engines import Handles
    from pluralism_local.modes import Ask
    from pluralism_local.settings import Settings
    from pluralism_local.values.stakes import Values


class Circumstances(TypedDict):
    """What the scorer of entailment is opened with, what stops a search, and what is told how far it is."""

    settings: Settings
    should_stop: ShouldStop
    status: Callable[[str], None]


def search(
    ask: Ask, comments: Mapping[str, str], answer: str, handles: Handles, **around: Unpack[Circumstances]
) -> Result:
    """The positions, as `modes.find_positions` finds them with the scorer of entailment that ships.

    Raises: as `modes.find_positions`, and as `wiring.open_engine`.
    """
    with entailment(around["settings"], (handles.llm, handles.communities), around["status"]) as scorer:
        return modes.find_positions(
            ask,
            comments,
            answer,
            llm=handles.llm,
            should_stop=around["should_stop"],
            entailment=scorer,
            progress=lambda progress: around["status"](progress.line),
        )


def draw(
    ask: Ask, comments: Sequence[Comment], answer: str, handles: Handles, **around: Unpack[Circumstances]
) -> Result:
    """The positions of as many comments as the ask draws, as `modes.draw_more` counts them.

    Raises: as `modes.draw_more`, and as `wiring.open_engine`.
    """
    with entailment(around["settings"], (handles.llm, handles.communities), around["status"]) as scorer:
        return modes.draw_more(
            ask,
            comments,
            answer,
            llm=handles.llm,
            communities=handles.communities,
            should_stop=around["should_stop"],
            entailment=scorer,
            progress=lambda progress: around["status"](progress.line),
        )


def with_search(result: Result, searched: Result) -> Result:
    """`result` with what was found out after it: positions, or draws; and with what that cost and warned of."""
    usage = dict(result.usage)
    for role, used in searched.usage.items():
        usage[role] = usage.get(role, Usage()) + used
    seconds = dict(result.seconds)
    for stage, took in searched.seconds.items():
        seconds[stage] = seconds.get(stage, 0.0) + took
    return replace(
        result,
        window=searched.window or result.window,
        draws=searched.draws or result.draws,
        usage=usage,
        seconds=seconds,
        prompts=tuple(dict.fromkeys((*result.prompts, *searched.prompts))),
        warnings=tuple(dict.fromkeys((*result.warnings, *searched.warnings))),
    )


def sources(
    comments: Sequence[tuple[str, str]],
    answer: str,
    handles: Handles,
    **around: Unpack[Circumstances],
) -> Sources:
    """Which comment each sentence of the answer comes from.

    Raises: Cancelled when stopped; as `wiring.open_engine`, and as the scorer fails.
    """
    with entailment(around["settings"], (handles.llm, handles.communities), around["status"]) as scorer:
        if scorer is None:
            return Sources("words", tuple(trace(answer, comments)))
        traced = trace_by_entailment(answer, comments, scorer, around["should_stop"])
        return Sources("entailment", tuple(traced))


def values(question: str, handles: Handles, **around: Unpack[Circumstances]) -> Values:
    """What is at stake in the question; as far as it got where it was stopped.

    Raises: as `find_values`, and as `wiring.open_engine`.
    """
    from pluralism_local.modes.values.running import find_values
    from pluralism_local.progress import ValuesProgress

    settings, status = around["settings"], around["status"]
    with entailment(settings, (handles.llm,), status) as scorer:
        for event in find_values(
            question,
            llm=handles.llm,
            seed=settings.seed,
            should_stop=around["should_stop"],
            entailment=scorer,
        ):
            if not isinstance(event, ValuesProgress):
                return event
            status(event.line)
    raise TypeError("a search for values without an end")
