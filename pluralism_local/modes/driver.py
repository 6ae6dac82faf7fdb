"""The ask driver: carries out a mode's steps one by one, and streams what happens.

    Ask ──prepared──> Case ──algorithm──> steps ──carried out──> ModeEvent…, Result

    Reserve ──> the conversation's oldest turns go, then comments are shortened; both are said
    Lean ──> one call, and one for each persona whose habit is not known
    Consult, Rejoin ──> one call for all voices: CommentStarted, CommentDelta…, CommentDone    Draw ──> one call for all
    Weigh   ──> one call                        Write ──> one call, streamed where it is the answer
    Compose ──> one call for all sentences, streamed in their order          Entail ──> one call of the scorer
    Propose, Judge ──> one call for all voices

What an algorithm asks is the LLM's present user message; what the LLM sees before it is its thread (see `ask`).

Once there are comments, or some of the answer, a failure of the LLM is kept in the draft and not raised: they cost
time, and the user gets them with a sentence about what failed. What fails while positions are looked for is thrown into
the algorithm, which can do without. Whatever fails or stops, a Result comes last.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pluralism_local.display.figures import many
from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import (
    PlocalError,
    Unsupported,
)
from pluralism_local.mode_specs import ModeSpec
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.comment_budget import SLACK, fit_comments
from pluralism_local.modes.comments import draw_comments, find_voices, write_comments
from pluralism_local.modes.deliberation.carrying import check_deliberation, reply, vote, write_proposals
from pluralism_local.modes.fit_context import generated, leave_out
from pluralism_local.modes.leanings.carrying import lean
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.leanings.wordings import commented
from pluralism_local.modes.llm_steps import weigh, write, write_each
from pluralism_local.modes.options import pose
from pluralism_local.modes.positions.carrying import plan_positions, position_plan, score, write_sentences
from pluralism_local.modes.relisting import orders_in
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.settling import FAILURES, settle
from pluralism_local.modes.sides import only_takes_sides
from pluralism_local.modes.steps import (
    Case,
    Compose,
    Consult,
    Cue,
    Draw,
    Entail,
    Entailment,
    Judge,
    Lean,
    Propose,
    Rejoin,
    Reserve,
    Room,
    RoundOver,
    Show,
    Step,
    Steps,
    Told,
    Voice,
    Warn,
    Weigh,
    Write,
    WriteEach,
    is_optional,
)
from pluralism_local.modes.thinking import only_thought
from pluralism_local.modes.wordings import AskQuestion, AskWordings, Wording, read_attribute
from pluralism_local.prompts import QUESTION
from pluralism_local.results import LLM_VOICE, AnswerDelta, AnswerWithdrawn, ModeEvent, Selected
from pluralism_local.types import (
    Completion,
    Request,
    TextDelta,
    TextDone,
    TextWithdrawn,
)

T = TypeVar("T")


def prepared(
    spec: ModeSpec,
    ask: Ask,
    llm: LanguageModel,
    communities: LanguageModel,
    *,
    entails: bool = False,
    habits: Habits | None = None,
) -> tuple[ResultBuilder, Case[AskQuestion]]:
    """What a mode starts from, everything it needs seen to before anything runs.

    Args:
        entails: whether there is a scorer of entailment.
        habits: of personas that were measured before; None for none.

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
    if habits is not None:
        draft.habits = habits
    voices: list[Voice] = []
    if spec.communities:
        voices = find_voices(draft, ask.needed_pool().members, communities)
    check_deliberation(ask, spec, voices, communities)
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
        plan_positions(draft, spec, entails=entails),
        ask.deliberation,
        orders=orders_in(posed.text, posed.options, ask.orders) if posed else (),
        tells_stances=position_plan(llm, attributed=False, scores=True).method == "llm",
        take_sides=ask.take_sides and spec.communities and posed is None,
        sides=spec.comments == "together" and ask.prompts != "paper" and only_takes_sides(llm),
    )
    return draft, case


def carry_out(
    draft: ResultBuilder,
    steps: Steps,
    communities: LanguageModel,
    should_stop: ShouldStop,
    entailment: Entailment | None = None,
) -> Iterator[ModeEvent]:
    """Advance `steps` to their end, or as far as it goes; the Result comes last."""
    answered = yield from advance(draft, steps, communities, should_stop, entailment)
    if answered is not None:
        draft.window, draft.draws = answered.window, answered.draws
        if answered.agreement is not None:
            draft.chose(answered.agreement, answered.question.text)
    if answered is not None and answered.distribution is not None:
        settle(draft, answered.distribution, answered.question.text, should_stop)
    yield draft.result()


def advance(
    draft: ResultBuilder,
    steps: Generator[Step, Any, T],
    communities: LanguageModel,
    should_stop: ShouldStop,
    entailment: Entailment | None = None,
) -> Generator[ModeEvent, None, T | None]:
    """Carry out steps to their end, which is returned; None where they were stopped or failed, which the draft says.

    Raises:
        PlocalError: something failed before there was anything in the draft to keep.
    """
    try:
        step = next(steps)
        while True:
            try:
                reply = yield from _carried_out(draft, step, communities, should_stop, entailment)
            except PlocalError as error:
                if not (is_optional(step) or (isinstance(step, Weigh) and isinstance(error, Unsupported))):
                    raise
                step = steps.throw(error)
                continue
            if not draft.complete:
                return None
            step = steps.send(reply)
    except StopIteration as end:
        finished: T = end.value
        return finished
    except Unsupported as error:
        if not (draft.comments and isinstance(step, Weigh)):
            raise
        draft.fail(error)
        return None
    finally:
        steps.close()


def _require_probabilities(llm: LanguageModel) -> None:
    if llm.capabilities.distribution == "none":
        raise Unsupported(
            f"{llm.info.id} gives no probabilities, and options are weighed by these.",
            "Use a local model or a server that gives logprobs, or ask for an answer in words.",
        )


def _carried_out(
    draft: ResultBuilder,
    step: Step,
    communities: LanguageModel,
    should_stop: ShouldStop,
    entailment: Entailment | None,
) -> Generator[ModeEvent, None, Any]:
    """What the step gets; worthless where the draft is no longer complete."""
    match step:
        case Reserve(rooms):
            _reserve(draft, rooms, communities)
        case Lean():
            return (yield from lean(draft, step, communities, should_stop))
        case Consult(voices, wording, told):
            cues = [_cue(voice, wording, told) for voice in voices]
            comments = yield from write_comments(
                draft, cues, communities=communities, should_stop=should_stop
            )
            return {comment.community: comment.text for comment in comments}
        case Draw(voices, wording, times):
            sides = {comment.community: comment.side for comment in draft.comments if comment.side}
            told = {id: Told(side, commented(draft.ask.question, side)) for id, side in sides.items()}
            cues = [_cue(voice, wording, told) for voice in voices]
            return (
                yield from draw_comments(draft, cues, times, communities=communities, should_stop=should_stop)
            )
        case Rejoin():
            return (yield from reply(draft, step, communities, should_stop))
        case RoundOver(number, changes, window):
            draft.round_over(number, changes, window)
        case Propose():
            return write_proposals(draft, step, communities, should_stop)
        case Judge():
            return (yield from vote(draft, step, communities, should_stop))
        case Weigh():
            return weigh(draft, step, should_stop)
        case Write("answer"):
            return (yield from _write_answer(draft, step, should_stop))
        case Write():
            return write(draft, step, should_stop)
        case WriteEach():
            return write_each(draft, step, should_stop)
        case Compose():
            return (yield from write_sentences(draft, step, should_stop))
        case Entail(pairs):
            return score(draft, pairs, entailment, should_stop)
        case Show(question, text):
            draft.answer = text
            draft.spoke(LLM_VOICE, question.text, text)
            yield AnswerDelta(text)
        case Warn(sentence):
            draft.warn(sentence)
        case Selected(selection):
            draft.selection = selection
    if isinstance(step, ModeEvent):
        yield step
    return None


def _cue(voice: Voice, wording: Wording, told: Mapping[str, Told]) -> Cue:
    own = told.get(voice.id)
    return (
        Cue(voice, wording, "", wording)
        if own is None
        else Cue(voice, own.wording, "", own.wording, own.side)
    )


def _reserve(draft: ResultBuilder, rooms: Sequence[Room], communities: LanguageModel) -> None:
    sampling = requested = draft.ask.comment
    tightest = draft.llm
    for room in rooms:
        if room.reader == "llm":
            comments = room.comments * (requested.max_tokens + SLACK)
            thread = partial(draft.ask.to_llm, room.wording.text)
            leave_out(draft, LLM_VOICE, draft.llm, thread, room.answer + comments)
    readers = (("llm", draft.llm, draft.to_llm), ("communities", communities, draft.to_communities))
    for reader, model, prompt in readers:
        fitting = fit_comments(sampling, [room for room in rooms if room.reader == reader], model, prompt)
        if fitting != sampling:
            sampling, tightest = fitting, model
    draft.comment_sampling = sampling
    if sampling != requested:
        draft.warn(
            f"Comments may take {sampling.max_tokens:,} tokens each instead of {requested.max_tokens:,}, so that they "
            f"fit the context of {tightest.info.context:,} tokens."
        )


def _write_answer(
    draft: ResultBuilder, step: Write, should_stop: ShouldStop
) -> Generator[ModeEvent, None, Completion | None]:
    """Stream the LLM's answer; `draft.answer` is the stream without white space around it."""
    ask, text, completion = draft.ask, step.wording.text, None
    draft.used(step.wording.prompt)
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
