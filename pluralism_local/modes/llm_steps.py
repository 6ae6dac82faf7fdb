"""The ask driver's part in steps of the LLM alone that are no answer: what it weighs, and what it writes beside one.

    Weigh ──weigh──> a distribution each        Write ──write──> Completion        WriteEach ──write_each──> one each

What fails is raised to `driver`, but for what fails when there are comments to keep: that the draft says. What is
asked about positions lingers in the engine: what is asked next begins with the same comments.
"""

from __future__ import annotations

from functools import partial

from pluralism_local.engine.base import ShouldStop
from pluralism_local.errors import Cancelled, Unsupported
from pluralism_local.modes.fit_context import generated, leave_out, until_it_fits
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.settling import FAILURES
from pluralism_local.modes.steps import Weigh, Write, WriteEach
from pluralism_local.results import LLM_VOICE
from pluralism_local.types import Completion, OptionDistribution, OptionRequest, Request, TextDone, Usage


def write(draft: ResultBuilder, step: Write, should_stop: ShouldStop) -> Completion | None:
    """The LLM's words; None when it failed after there were comments, which the draft then says."""
    draft.used(step.wording.prompt)
    completion = None

    def requests() -> list[Request]:
        return [Request(draft.to_llm(step.wording.text), step.sampling, grammar=step.grammar)]

    with draft.timed(step.stage):
        try:
            for event in generated(draft, draft.llm, [LLM_VOICE], requests, should_stop=should_stop):
                if isinstance(event, TextDone):
                    completion = event.completion
                    draft.spend("llm", completion.usage)
                    if completion.finish == "cancelled":
                        _stop(draft, step)
        except FAILURES as error:
            if step.stage == "positions" or not draft.comments:
                raise
            draft.fail(error)
    return completion


def write_each(draft: ResultBuilder, step: WriteEach, should_stop: ShouldStop) -> list[Completion] | None:
    """The LLM's words on each wording, in order; after a stop those that it cut short are as far as they came.

    None when an answer failed after there were comments, which the draft then says.
    """
    for wording, sampling, _ in step.parts:
        draft.used(wording.prompt)
        if step.stage == "answer":
            leave_out(
                draft, LLM_VOICE, draft.llm, partial(draft.ask.to_llm, wording.text), sampling.max_tokens
            )
    done: dict[int, Completion] = {}

    def requests() -> list[Request]:
        return [
            Request(draft.to_llm(wording.text), sampling, grammar=grammar, lingers=step.stage == "positions")
            for wording, sampling, grammar in step.parts
        ]

    with draft.timed(step.stage):
        voices = [LLM_VOICE] * len(step.parts)
        try:
            for event in generated(draft, draft.llm, voices, requests, should_stop=should_stop):
                if isinstance(event, TextDone):
                    done[event.index] = event.completion
                    draft.spend("llm", event.completion.usage)
        except FAILURES as error:
            if step.stage != "answer" or not draft.comments:
                raise
            draft.fail(error)
            return None
    cancelled = any(completion.finish == "cancelled" for completion in done.values())
    if cancelled and step.stage in ("positions", "answer"):
        _stop(draft, step)
    return [done[place] for place in range(len(step.parts))]


def weigh(draft: ResultBuilder, step: Weigh, should_stop: ShouldStop) -> list[OptionDistribution] | None:
    """Probabilities after each wording, in one call; None when stopped or failed.

    Raises:
        Unsupported: a server turns out to give none.
    """
    if draft.no_probabilities is not None:
        raise draft.no_probabilities
    texts = [wording.text for wording in step.wordings]
    for wording in step.wordings:
        draft.used(wording.prompt)
        leave_out(draft, LLM_VOICE, draft.llm, partial(draft.ask.to_llm, wording.text), room=1)

    def requests() -> list[OptionRequest]:
        lingers = step.stage == "positions"
        return [OptionRequest(draft.to_llm(text), step.options, lingers=lingers) for text in texts]

    def call() -> list[OptionDistribution]:
        return draft.llm.distribution(requests(), should_stop=should_stop)

    with draft.timed(step.stage):
        try:
            distributions = until_it_fits(draft, draft.llm, [LLM_VOICE], call)
        except Cancelled:
            _stop(draft, step)
            return None
        except Unsupported as error:
            draft.no_probabilities = error
            raise
        except FAILURES as error:
            if step.stage == "positions" or not draft.comments:
                raise
            draft.fail(error)
            return None
        prompt_tokens = sum(draft.llm.count_tokens(request.messages) or 0 for request in requests())
    draft.spend("llm", Usage(prompt=prompt_tokens))
    for distribution in distributions:
        draft.warn_all(distribution.warnings)
    return distributions


def _stop(draft: ResultBuilder, step: Weigh | Write | WriteEach) -> None:
    if step.stage == "positions":
        draft.stop_positions()
    else:
        draft.stop()
