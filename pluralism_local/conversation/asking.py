"""An ask carried out: its pool fitted to the model, its mode run, what happens kept.

Ask, Handles ──fit_ask──> Ask, warnings ──run_ask──> ModeEvent… ─┬─> a front end
                                                                 └─> ConversationLog, but for the Result
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pluralism_local import modes, wiring
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.entailment import entailment
from pluralism_local.results import ModeEvent, Result

if TYPE_CHECKING:
    from pluralism_local.conversation.engines import Handles
    from pluralism_local.conversation.history_log import ConversationLog
    from pluralism_local.modes import Ask
    from pluralism_local.settings import Settings


def fit_ask(ask: Ask, handles: Handles, *, force: bool = False) -> tuple[Ask, list[str]]:
    """The ask with its communities as they can speak through this model, and warnings.

    Raises: Refused for a community that has only an adapter for another base, unless `force`.
    """
    if ask.pool is None:
        return ask, []
    pool, warnings = wiring.fitting(ask.pool, handles.communities, force=force)
    return replace(ask, pool=pool), warnings


def run_ask(
    ask: Ask,
    handles: Handles,
    *,
    warnings: Sequence[str] = (),
    log: ConversationLog | None = None,
    should_stop: ShouldStop = never,
    settings: Settings | None = None,
    status: Callable[[str], None] = lambda _: None,
) -> Generator[ModeEvent, None, None]:
    """The events of an ask; the last is its Result, with `warnings` before its own.

    Closing it ends the mode before its engines. Every event goes into `log` as it happens, but the Result does not:
    whoever asked decides whether there is anything to keep.

    Args:
        settings: what the scorer of entailment is opened with, where the ask looks for positions; None for the LLM's
            own probabilities in its place.
        status: told what is being opened.

    Raises: as `modes.run`; TypeError for a mode that ends without a Result, which is a bug.
    """
    result = None
    with ExitStack() as stack:
        scorer = None
        if ask.looks_for_positions and settings is not None:
            scorer = stack.enter_context(entailment(settings, (handles.llm, handles.communities), status))
        events = modes.run(
            ask,
            llm=handles.llm,
            communities=handles.communities,
            should_stop=should_stop,
            entailment=scorer,
            habits=handles.habits,
        )
        stack.enter_context(closing(cast("Any", events)))
        for event in events:
            if isinstance(event, Result):
                result = replace(event, warnings=(*warnings, *event.warnings))
                continue
            if log is not None:
                log.event(event)
            yield event
    if result is None:
        raise TypeError("a mode ends with a Result")
    yield result
