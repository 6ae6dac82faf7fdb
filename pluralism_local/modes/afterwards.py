"""What is found out about an answer that is there already: its comments' positions, and those of many more comments.

Ask, comments, answer ──find_positions──> Result, with the window
                      ──draw_more──> Result, with the draws
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import SPECS
from pluralism_local.modes.algorithms.overton import rooms, with_positions
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.driver import carry_out, prepared
from pluralism_local.modes.positions.assigner import ScoredPairs
from pluralism_local.modes.positions.carrying import plan_positions
from pluralism_local.modes.positions.draws import spread
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import Answered, Case, Entailment, Reserve, Steps
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.progress import DrawsProgress, PositionsProgress
from pluralism_local.results import Comment, ModeEvent, Result


def find_positions(
    ask: Ask,
    comments: Mapping[str, str],
    answer: str,
    *,
    llm: LanguageModel,
    should_stop: ShouldStop = never,
    entailment: Entailment | None = None,
    progress: Callable[[PositionsProgress], None] = lambda _: None,
) -> Result:
    """The positions of comments, as an ask with `positions` finds them after its answer.

    Args:
        ask: what the comments were made for; the LLM sees its conversation before it tells the claims.
        comments: by voice, in the pool's order; blank ones say nothing.
        answer: looked through for the positions.
        entailment: as in `modes.run`.
        progress: told how far the search is.

    Returns:
        A result with this answer and its `window` (None where none could be found), and with the seconds, tokens,
        prompts and warnings of the search alone; ``complete=False`` where it was stopped.

    Raises:
        InvalidInput: a mode that does not put its comments together, comments that are all blank, or no answer.
    """
    spoken = {voice: text.strip() for voice, text in comments.items() if text.strip()}
    spec = SPECS[ask.mode]
    if spec.comments != "together" or not spoken or not answer.strip():
        raise InvalidInput("Positions are looked for in the comments and the answer of an overton ask.")
    draft = ResultBuilder(replace(ask, positions=True, prompts="paper"), llm)
    draft.answer = answer
    case = Case(
        AskWordings(),
        AskQuestion(ask.question, lists_options=False),
        "text",
        (),
        (),
        llm.capabilities.distribution,
        ask.answer,
        plan_positions(draft, spec, entails=entailment is not None),
    )
    return _ended(carry_out(draft, _looked_for(case, spoken, answer), llm, should_stop, entailment), progress)


def draw_more(
    ask: Ask,
    comments: Sequence[Comment],
    answer: str,
    *,
    llm: LanguageModel,
    communities: LanguageModel,
    should_stop: ShouldStop = never,
    entailment: Entailment | None = None,
    progress: Callable[[DrawsProgress], None] = lambda _: None,
) -> Result:
    """Draw more comments of every voice and count their positions, as an ask with `draws` does after its answer.

    Args:
        ask: what the comments were made for, its communities as they spoke, and how many `draws` there are to be of
            each, the one that it made included.
        comments: what the voices said, in the pool's order.
        entailment: as in `modes.run`.
        progress: told how far it is.

    Returns:
        A result with these comments, this answer and its `draws` (None where they could not be counted), and with the
        seconds, tokens, prompts and warnings of the drawing alone; ``complete=False`` where it was stopped.

    Raises:
        InvalidInput: a mode that does not put its comments together, or no answer. Else as `modes.run`.
    """
    spec = SPECS[ask.mode]
    if spec.comments != "together" or not answer.strip():
        raise InvalidInput("Comments are drawn for the answer of an overton ask.")
    task = replace(ask, positions=False, prompts="auto" if ask.prompts == "own" else ask.prompts)
    draft, case = prepared(spec, task, llm, communities, entails=entailment is not None)
    draft.answer, draft.comments = answer, list(comments)
    said = {comment.community: comment.text for comment in comments}
    return _ended(
        carry_out(draft, _drawn(case, said, answer), communities, should_stop, entailment), progress
    )


def _ended(events: Iterator[ModeEvent], progress: Callable[[Any], None]) -> Result:
    """The result that events end with; `progress` is told of those that say how far it is."""
    last = None
    for last in events:
        if isinstance(last, PositionsProgress | DrawsProgress):
            progress(last)
    if not isinstance(last, Result):
        raise TypeError("a mode ends with a Result")
    return last


def _drawn(case: Case[AskQuestion], comments: Mapping[str, str], answer: str) -> Steps:
    yield Reserve(rooms(case))  # the others are as long as the first
    answered = Answered(case.wordings.synthesis(case.question, list(comments.values())), answer)
    if case.positions is None:  # which the plan has warned of
        return answered
    return replace(answered, draws=(yield from spread(case, comments, ScoredPairs())))


def _looked_for(case: Case[AskQuestion], comments: Mapping[str, str], answer: str) -> Steps:
    answered = Answered(case.wordings.synthesis(case.question, list(comments.values())), answer)
    if case.positions is None:  # which the plan has warned of
        return answered
    return (yield from with_positions(case, comments, answered, ScoredPairs()))
