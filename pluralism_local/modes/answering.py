"""The LLM's turn: an answer in words, or the probabilities of options.

    text ──answer──> AnswerDelta…, or the options' probabilities; draft.answer either way
    texts ──weigh──> OptionDistribution… ──settle──> draft.distribution, draft.answer, the thread kept

`text` is the LLM's present user message; what it sees before it is its thread (see `ask`).

Once there are comments, or some of the answer, a failure of the LLM is kept in the draft and not raised: they cost
time, and the user gets them with a sentence about what failed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    EngineFailure,
    PlocalError,
    RemoteFailure,
    Unsupported,
)
from pluralism_local.figures import many
from pluralism_local.modes.aggregate import is_stand_in, most_probable, single
from pluralism_local.modes.draft import Draft, Stage
from pluralism_local.modes.options import Posed, letters
from pluralism_local.modes.thinking import only_thought
from pluralism_local.modes.threads import generated, leave_out, until_it_fits
from pluralism_local.types import (
    LLM_VOICE,
    Aggregate,
    AnswerDelta,
    AnswerWithdrawn,
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


def require_probabilities(llm: LanguageModel) -> None:
    """Raise Unsupported if the LLM cannot weigh options."""
    if llm.capabilities.distribution == "none":
        raise Unsupported(
            f"{llm.info.id} gives no probabilities, and options are weighed by these.",
            "Use a local model or a server that gives logprobs, or ask for an answer in words.",
        )


def answer(
    draft: Draft, text: str, posed: Posed | None, *, should_stop: ShouldStop
) -> Iterator[AnswerDelta | AnswerWithdrawn]:
    """Answer `text` in words, or with options by their probabilities: then nothing is streamed."""
    if posed is None:
        yield from write_answer(draft, text, should_stop=should_stop)
        return
    found = weigh(draft, [text], posed.letters, stage="answer", should_stop=should_stop)
    if found is not None:
        settle(draft, single(posed.options, found[0]), text, should_stop=should_stop)


def write_answer(
    draft: Draft, text: str, *, should_stop: ShouldStop
) -> Iterator[AnswerDelta | AnswerWithdrawn]:
    """Stream the LLM's answer to `text`; `draft.answer` is the stream without white space around it."""
    ask = draft.ask
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
                    draft.spend("llm", event.completion.usage)
                    draft.finish = event.completion.finish
                    draft.thought = event.completion.thought
                    if draft.finish != "cancelled":
                        draft.spoke(LLM_VOICE, text, event.completion.text)
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


def weigh(
    draft: Draft, texts: Sequence[str], options: tuple[str, ...], *, stage: Stage, should_stop: ShouldStop
) -> list[OptionDistribution] | None:
    """Probabilities of `options` after each of `texts`, in one call; None when stopped or failed.

    Raises:
        Unsupported: a server turns out to give none, and there are no comments to keep or a choice is made, which can
            be made in words.
    """
    for text in texts:
        leave_out(draft, LLM_VOICE, draft.llm, partial(draft.ask.to_llm, text), room=1)

    def requests() -> list[OptionRequest]:
        return [OptionRequest(draft.to_llm(text), options) for text in texts]

    def call() -> list[OptionDistribution]:
        return draft.llm.distribution(requests(), should_stop=should_stop)

    with draft.timed(stage):
        try:
            found = until_it_fits(draft, draft.llm, [LLM_VOICE], call)
        except Cancelled:
            draft.stop()
            return None
        except (*FAILURES, Unsupported) as error:
            if not draft.comments or (stage == "selection" and isinstance(error, Unsupported)):
                raise
            draft.fail(error)
            return None
        prompt_tokens = sum(draft.llm.count_tokens(request.messages) or 0 for request in requests())
    draft.spend("llm", Usage(prompt=prompt_tokens))
    for distribution in found:
        draft.warn_all(distribution.warnings)
    return found


def settle(draft: Draft, found: Aggregate, asked: str, *, should_stop: ShouldStop) -> None:
    """Take a distribution as the answer; say so if little of the model's probability stands behind it.

    If no option had any probability there is no answer: the result is incomplete, and a warning says why.

    In the LLM's thread `asked` is answered as its list has it, "A. Yes": after a bare "Yes" a model expects words in
    place of the letters that the next question is weighed by (the starter model puts 70 to 97 % outside of them).
    """
    if is_stand_in(found):
        draft.fail(_no_answer(draft.llm.info.id, found.unassigned_mass))
        return
    draft.distribution = found
    draft.answer = most_probable(found)
    letter = letters(len(found.options))[found.options.index(draft.answer)]
    draft.spoke(LLM_VOICE, asked, f"{letter}. {draft.answer}")
    _keep_thread(draft, should_stop)
    if found.stand_ins:
        share = math.fsum(found.weights[community] for community in found.stand_ins)
        draft.warn(
            f"After the comments of {', '.join(found.stand_ins)} none of the options had any probability: even shares, "
            f"{100 * share:.1f} % of the weight, stand in for them."
        )
    if found.unassigned_mass > MOSTLY_OUTSIDE:
        draft.warn(
            f"{100 * found.unassigned_mass:.1f} % of the model's probability lies outside the options: "
            "it would rather say something else."
        )


def _no_answer(model: str, outside: float) -> Unsupported:
    return Unsupported(
        f"{model} gave none of the options any probability ({100 * outside:.1f} % lies outside of them), so there is "
        "no answer to show.",
        "Ask for an answer in words, or use another model; one that thinks first does not begin with a letter.",
    )


def _keep_thread(draft: Draft, should_stop: ShouldStop) -> None:
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
