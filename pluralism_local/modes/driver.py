"""The ask driver: carries out a mode's steps one by one, and streams what happens.

    Ask ──prepared──> Case ──algorithm──> steps ──carried out──> ModeEvent…, Result

    Reserve ──> the conversation's oldest turns go, then comments are shortened; both are said
    Consult ──> one call for all voices: CommentStarted, CommentDelta…, CommentDone
    Weigh   ──> one call                        Write ──> one call, streamed where it is the answer

What an algorithm asks is the LLM's present user message; what the LLM sees before it is its thread (see `ask`).

Once there are comments, or some of the answer, a failure of the LLM is kept in the draft and not raised: they cost
time, and the user gets them with a sentence about what failed. Whatever fails or stops, a Result comes last.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from pluralism_local.display.figures import many
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    EngineFailure,
    PlocalError,
    RemoteFailure,
    Unsupported,
)
from pluralism_local.mode_specs import ModeSpec
from pluralism_local.modes.aggregate import is_stand_in, most_probable
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.comment_budget import SLACK, fit_comments
from pluralism_local.modes.comments import find_voices, write_comments
from pluralism_local.modes.fit_context import generated, leave_out, until_it_fits
from pluralism_local.modes.options import letters, pose
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import (
    Answered,
    Case,
    Consult,
    Reserve,
    Room,
    Step,
    Steps,
    Voice,
    Warn,
    Weigh,
    Write,
)
from pluralism_local.modes.thinking import only_thought
from pluralism_local.modes.wordings import AskQuestion, AskWordings, Wording, read_attribute
from pluralism_local.prompts import QUESTION
from pluralism_local.results import LLM_VOICE, Aggregate, AnswerDelta, AnswerWithdrawn, ModeEvent, Selected
from pluralism_local.types import (
    Completion,
    OptionDistribution,
    OptionRequest,
    Request,
    Sampling,
    TextDelta,
    TextDone,
    TextWithdrawn,
    Usage,
)

FAILURES = (ContextOverflow, RemoteFailure, EngineFailure)
MOSTLY_OUTSIDE = 0.5


def prepared(
    spec: ModeSpec, ask: Ask, llm: LanguageModel, communities: LanguageModel
) -> tuple[ResultBuilder, Case[AskQuestion]]:
    """What a mode starts from, everything it needs seen to before anything runs.

    Raises:
        InvalidInput: no attribute, options that cannot be weighed, no communities.
        Unsupported: options and an LLM without probabilities, or a community that cannot speak through this model.
    """
    attribute = read_attribute(ask.attribute) if spec.attribute else None
    weighs = spec.options == "needed" or (spec.options == "weighed" and bool(ask.options))
    posed = pose(ask.question, ask.options) if weighs else None
    if posed:
        _require_probabilities(llm)
    draft = ResultBuilder(ask, llm, communities if spec.communities else None)
    voices: list[Voice] = []
    if spec.communities:
        voices = find_voices(draft, ask.needed_pool().members, communities)
    if posed:
        draft.posed(posed)
    elif spec.communities:
        draft.used(QUESTION)
    case = Case(
        AskWordings(),
        AskQuestion(posed.text if posed else ask.question, posed is not None, attribute),
        "distribution" if posed else "text",
        posed.options if posed else (),
        tuple(voices),
        llm.capabilities.distribution,
        ask.answer,
    )
    return draft, case


def carry_out(
    draft: ResultBuilder, steps: Steps, communities: LanguageModel, should_stop: ShouldStop
) -> Iterator[ModeEvent]:
    """Advance `steps` to their end, or as far as it goes; the Result comes last."""
    answered: Answered | None = None
    try:
        step: Step = next(steps)
        while True:
            try:
                reply = yield from _carried_out(draft, step, communities, should_stop)
            except Unsupported as error:
                if not isinstance(step, Weigh):
                    raise
                step = steps.throw(error)
                continue
            if not draft.complete:
                break
            step = steps.send(reply)
    except StopIteration as end:
        answered = end.value
    except Unsupported as error:
        if not (draft.comments and isinstance(step, Weigh)):
            raise
        draft.fail(error)
    finally:
        steps.close()
    if answered is not None and answered.distribution is not None:
        settle(draft, answered.distribution, answered.question.text, should_stop)
    yield draft.result()


def _require_probabilities(llm: LanguageModel) -> None:
    if llm.capabilities.distribution == "none":
        raise Unsupported(
            f"{llm.info.id} gives no probabilities, and options are weighed by these.",
            "Use a local model or a server that gives logprobs, or ask for an answer in words.",
        )


def _carried_out(
    draft: ResultBuilder, step: Step, communities: LanguageModel, should_stop: ShouldStop
) -> Generator[ModeEvent, None, Any]:
    """What the step gets; worthless where the draft is no longer complete."""
    match step:
        case Reserve(rooms):
            _reserve(draft, rooms)
        case Consult(voices, wording):
            draft.used(wording.prompt)
            yield from write_comments(
                draft, voices, wording.text, communities=communities, should_stop=should_stop
            )
            return {comment.community: comment.text for comment in draft.comments}
        case Weigh():
            return _weigh(draft, step, should_stop)
        case Write("answer", wording, _):
            return (yield from _write_answer(draft, wording, should_stop))
        case Write():
            return _write(draft, step, should_stop)
        case Warn(sentence):
            draft.warn(sentence)
        case Selected(selection):
            draft.selection = selection
            yield step
    return None


def _reserve(draft: ResultBuilder, rooms: Sequence[Room]) -> None:
    requested = draft.ask.comment
    for room in rooms:
        comments = room.comments * (requested.max_tokens + SLACK)
        thread = partial(draft.ask.to_llm, room.wording.text)
        leave_out(draft, LLM_VOICE, draft.llm, thread, room.answer + comments)
    sampling = fit_comments(requested, rooms, draft.llm, draft.to_llm)
    draft.comment_sampling = sampling
    if sampling != requested:
        draft.warn(
            f"Comments may take {sampling.max_tokens:,} tokens each instead of {requested.max_tokens:,}, so that they "
            f"fit the context of {draft.llm.info.context:,} tokens."
        )


def _write_answer(
    draft: ResultBuilder, wording: Wording, should_stop: ShouldStop
) -> Generator[ModeEvent, None, Completion | None]:
    """Stream the LLM's answer; `draft.answer` is the stream without white space around it."""
    ask, text, completion = draft.ask, wording.text, None
    draft.used(wording.prompt)
    leave_out(draft, LLM_VOICE, draft.llm, partial(ask.to_llm, text), ask.answer.max_tokens)

    def requests() -> list[Request]:
        return [Request(draft.to_llm(text), ask.answer, keep=ask.keep)]

    with draft.timed("answer"):
        try:
            for event in generated(draft, draft.llm, [LLM_VOICE], requests, should_stop=should_stop):
                if isinstance(event, TextDelta):
                    draft.answer += event.text
                    yield AnswerDelta(event.text)
                elif isinstance(event, TextWithdrawn):
                    draft.answer = ""
                    yield AnswerWithdrawn()
                elif isinstance(event, TextDone):
                    completion = event.completion
                    draft.spend("llm", completion.usage)
                    draft.finish, draft.thought = completion.finish, completion.thought
                    if draft.finish != "cancelled":
                        draft.spoke(LLM_VOICE, text, completion.text)
        except PlocalError as error:
            if not (draft.answer.strip() or (draft.comments and isinstance(error, FAILURES))):
                raise
            draft.fail(error)
    draft.answer = draft.answer.strip()
    if draft.finish == "cancelled":
        draft.stop()
    elif not draft.answer and draft.thought:
        draft.warn(only_thought(ask.answer.max_tokens, cut=draft.finish == "length"))
    elif not draft.answer:
        draft.warn("The model's answer is empty.")
    elif draft.finish == "length":
        draft.warn(f"The answer was cut off at {many(ask.answer.max_tokens, 'token')}.")
    return completion


def _write(draft: ResultBuilder, step: Write, should_stop: ShouldStop) -> Completion | None:
    """The LLM's words; None when it failed after there were comments, which the draft then says."""
    draft.used(step.wording.prompt)
    completion = None

    def requests() -> list[Request]:
        return [Request(draft.to_llm(step.wording.text), step.sampling)]

    with draft.timed(step.stage):
        try:
            for event in generated(draft, draft.llm, [LLM_VOICE], requests, should_stop=should_stop):
                if isinstance(event, TextDone):
                    completion = event.completion
                    draft.spend("llm", completion.usage)
                    if completion.finish == "cancelled":
                        draft.stop()
        except FAILURES as error:
            if not draft.comments:
                raise
            draft.fail(error)
    return completion


def _weigh(draft: ResultBuilder, step: Weigh, should_stop: ShouldStop) -> list[OptionDistribution] | None:
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
        return [OptionRequest(draft.to_llm(text), step.options) for text in texts]

    def call() -> list[OptionDistribution]:
        return draft.llm.distribution(requests(), should_stop=should_stop)

    with draft.timed(step.stage):
        try:
            distributions = until_it_fits(draft, draft.llm, [LLM_VOICE], call)
        except Cancelled:
            draft.stop()
            return None
        except Unsupported as error:
            draft.no_probabilities = error
            raise
        except FAILURES as error:
            if not draft.comments:
                raise
            draft.fail(error)
            return None
        prompt_tokens = sum(draft.llm.count_tokens(request.messages) or 0 for request in requests())
    draft.spend("llm", Usage(prompt=prompt_tokens))
    for distribution in distributions:
        draft.warn_all(distribution.warnings)
    return distributions


def settle(
    draft: ResultBuilder, aggregate: Aggregate, question: str, should_stop: ShouldStop = never
) -> None:
    """Take a distribution as the answer; say so if little of the model's probability stands behind it.

    If no option had any probability there is no answer: the result is incomplete, and a warning says why.

    In the LLM's thread `question` is answered as its list has it, "A. Yes": after a bare "Yes" a model expects words in
    place of the letters that the next question is weighed by (the starter model puts 70 to 97 % outside of them).
    """
    if is_stand_in(aggregate):
        draft.fail(_no_answer(draft.llm.info.id, aggregate.unassigned_mass))
        return
    draft.distribution = aggregate
    draft.answer = most_probable(aggregate)
    letter = letters(len(aggregate.options))[aggregate.options.index(draft.answer)]
    draft.spoke(LLM_VOICE, question, f"{letter}. {draft.answer}")
    _keep_thread(draft, should_stop)
    if aggregate.stand_ins:
        share = math.fsum(aggregate.weights[community] for community in aggregate.stand_ins)
        draft.warn(
            f"After the comments of {', '.join(aggregate.stand_ins)} none of the options had any probability: even "
            f"shares, {100 * share:.1f} % of the weight, stand in for them."
        )
    if aggregate.unassigned_mass > MOSTLY_OUTSIDE:
        draft.warn(
            f"{100 * aggregate.unassigned_mass:.1f} % of the model's probability lies outside the options: "
            "it would rather say something else."
        )


def _no_answer(model: str, outside: float) -> Unsupported:
    return Unsupported(
        f"{model} gave none of the options any probability ({100 * outside:.1f} % lies outside of them), so there is "
        "no answer to show.",
        "Ask for an answer in words, or use another model; one that thinks first does not begin with a letter.",
    )


def _keep_thread(draft: ResultBuilder, should_stop: ShouldStop) -> None:
    """Let the engine read the exchange that was weighed and not written, so that it keeps it as it keeps a written one.

    Weighing keeps nothing: without this every later turn would decode the exchange again. One token is drawn, since
    what is kept are generated sequences. Only for an engine of this machine, which exact probabilities tell from a
    server; that it fails, or is stopped, costs time in the next turn and nothing else.
    """
    if not draft.ask.keep or draft.llm.capabilities.distribution != "exact":
        return
    request = Request(draft.llm_thread(), Sampling(max_tokens=1), keep=True)
    with draft.timed("answer"), suppress(*FAILURES):
        for event in draft.llm.generate([request], should_stop=should_stop):
            if isinstance(event, TextDone):
                draft.spend("llm", event.completion.usage)
