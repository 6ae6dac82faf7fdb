"""Steps as the batch driver sorts them: which need a model, and which go together in one call.

Waiting ──place──> (stage, kind): equal ones are one call, the smallest comes first
        ──wordings_of──> what the models are told
Writing ──writings──> Request…      completions ──reply_to──> what the step gets
    Answered ──prediction──> Prediction
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pluralism_local.evaluation.samples import PositionsFound, Prediction
from pluralism_local.mode_specs import Stage
from pluralism_local.modes.aggregate import STAND_IN, is_stand_in, most_probable
from pluralism_local.modes.options import letters
from pluralism_local.modes.steps import (
    Answered,
    AnswerForm,
    Compose,
    Consult,
    Entail,
    Lean,
    Weigh,
    Write,
    WriteEach,
)
from pluralism_local.modes.wordings import Wording
from pluralism_local.positions.attribution import mended
from pluralism_local.positions.summary import left_out
from pluralism_local.results import Aggregate, Window
from pluralism_local.types import Completion, Message, Request

Waiting = Lean | Consult | Weigh | Write | WriteEach | Compose | Entail
"""Steps that need a model; the others are carried out at once."""

Writing = Write | WriteEach | Compose
WRITING = (Write, WriteEach, Compose)
"""Steps in which the LLM writes."""

_KINDS = (Lean, Consult, Weigh, Write, WriteEach, Compose, Entail)


def place(step: Waiting, stages: Sequence[Stage]) -> tuple[int, int]:
    """Where a step stands in its mode: what is weighed comes before what is asked in words for lack of it.

    Positions come last, before the answer or after it: what stands at one place is of one kind.
    """
    kind = _KINDS.index(type(step))
    if isinstance(step, Lean | Consult):
        return stages.index("comments"), kind
    if isinstance(step, Compose):
        return stages.index("answer"), kind
    if isinstance(step, Entail) or step.stage not in stages:
        return len(stages), kind
    return stages.index(step.stage), kind


def wordings_of(step: Waiting) -> Sequence[Wording]:
    """What the models are told in it."""
    match step:
        case Weigh() | Lean():
            return step.wordings
        case Consult(_, wording, told):
            return [wording, *(its.wording for its in told.values())]
        case Compose():
            return list(step.written.values())
        case WriteEach():
            return [wording for wording, _, _ in step.parts]
        case Entail():
            return ()
        case _:
            return (step.wording,)


def writings(step: Writing) -> list[Request]:
    """What the LLM is asked to write in it."""
    match step:
        case Write():
            parts = [(step.wording, step.sampling, step.grammar)]
        case WriteEach():
            parts = [*step.parts]
        case Compose():
            parts = [
                (wording, step.sampling, step.parts[place].grammar) for place, wording in step.written.items()
            ]
    return [
        Request(prompt_of(wording.text), sampling, grammar=grammar) for wording, sampling, grammar in parts
    ]


def reply_to(step: Writing, completions: Sequence[Completion]) -> Any:
    """What the step gets where all of it was written: of a composed answer the sentences, as an ask shows them."""
    match step:
        case Write():
            return completions[0]
        case WriteEach():
            return completions
        case Compose():
            written = dict(zip(step.written, completions, strict=True))
            return tuple(
                mended(
                    written[place].text if place in written else "",
                    part.before,
                    step.small,
                    part.instead,
                    cut=place in written and written[place].finish == "length",
                )
                for place, part in enumerate(step.parts)
            )


def prompt_of(text: str) -> tuple[Message, ...]:
    """A prompt that is one message."""
    return (Message("user", text),)


def prediction(answered: Answered, answers: AnswerForm) -> Prediction:
    """The answer in a sample's form; where no option had any probability there is no label."""
    selection = answered.selection
    chosen = Prediction(
        selection=None if selection is None else selection.community,
        selection_method=None if selection is None else "unclear" if selection.several else selection.method,
        positions=None if answered.window is None else _found(answered.window),
    )
    shares = answered.distribution
    if shares is None:
        return replace(chosen, output=answered.text)
    label = None
    if answers == "label" and not is_stand_in(shares):
        label = letters(len(shares.options))[shares.options.index(most_probable(shares))]
    return replace(
        chosen,
        distribution=shares.p,
        output=label,
        unassigned_mass=None if math.isnan(shares.unassigned_mass) else shares.unassigned_mass,
        distribution_method=shares.method,
        stand_in=_stand_in(shares),
        bounds=shares.bounds,
        orders=shares.orders,
        order_effect=shares.order_effect,
    )


def _found(window: Window) -> PositionsFound:
    return PositionsFound(
        tuple(position.text for position in window.positions),
        len(left_out(window)),
        len(window.marks),
        sum(not mark.verified for mark in window.marks),
    )


def _stand_in(shares: Aggregate) -> float:
    """The weight, in [0, 1], of what is no answer."""
    if not shares.per_community:
        return float(shares.method == STAND_IN)
    return min(1.0, math.fsum(shares.weights[community] for community in shares.stand_ins))
