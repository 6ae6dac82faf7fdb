"""The LLM's turn: an answer in words, or the probabilities of options.

    text ──answer──> AnswerDelta…, or the options' probabilities; draft.answer either way
    texts ──weigh──> OptionDistribution… ──settle──> draft.distribution, draft.answer

Once there are comments, a failure of the LLM is kept in the draft and not raised: the comments cost time, and
the user gets them with a sentence about what failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import Cancelled, ContextOverflow, EngineFailure, RemoteFailure, Unsupported
from pluralism_local.modes.aggregate import most_probable, single
from pluralism_local.modes.comments import closing
from pluralism_local.modes.draft import Draft, Stage
from pluralism_local.modes.options import Posed
from pluralism_local.types import (
    Aggregate,
    AnswerDelta,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDelta,
    TextDone,
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


def answer(draft: Draft, text: str, posed: Posed | None, *, should_stop: ShouldStop) -> Iterator[AnswerDelta]:
    """Answer `text` in words, or with options by their probabilities: then nothing is streamed."""
    if posed is None:
        yield from write_answer(draft, text, should_stop=should_stop)
        return
    found = weigh(draft, [text], posed.letters, stage="answer", should_stop=should_stop)
    if found is not None:
        settle(draft, single(posed.options, found[0]))


def write_answer(draft: Draft, text: str, *, should_stop: ShouldStop) -> Iterator[AnswerDelta]:
    """Stream the LLM's answer to `text`; `draft.answer` is the stream without white space around it."""
    ask = draft.ask
    request = Request(ask.to_llm(text), ask.answer, keep=ask.keep)
    with draft.timed("answer"):
        try:
            with closing(draft.llm.generate([request], should_stop=should_stop)) as events:
                for event in events:
                    if isinstance(event, TextDelta):
                        draft.answer += event.text
                        yield AnswerDelta(event.text)
                    elif isinstance(event, TextDone):
                        draft.spend("llm", event.completion.usage)
                        draft.finish = event.completion.finish
        except FAILURES as error:
            if not draft.comments:
                raise
            draft.fail(error)
    draft.answer = draft.answer.strip()
    if draft.finish == "cancelled":
        draft.stop()
    elif not draft.answer:
        draft.warn("The model's answer is empty.")
    elif draft.finish == "length":
        draft.warn(f"The answer was cut off at {ask.answer.max_tokens:,} tokens.")


def weigh(
    draft: Draft, texts: Sequence[str], options: tuple[str, ...], *, stage: Stage, should_stop: ShouldStop
) -> list[OptionDistribution] | None:
    """Probabilities of `options` after each of `texts`, in one call; None when stopped or failed."""
    requests = [OptionRequest(draft.ask.to_llm(text), options) for text in texts]
    with draft.timed(stage):
        try:
            found = draft.llm.distribution(requests, should_stop=should_stop)
        except Cancelled:
            draft.stop()
            return None
        except FAILURES as error:
            if not draft.comments:
                raise
            draft.fail(error)
            return None
        prompt_tokens = sum(draft.llm.count_tokens(request.messages) or 0 for request in requests)
    draft.spend("llm", Usage(prompt=prompt_tokens))
    return found


def settle(draft: Draft, found: Aggregate) -> None:
    """Take a distribution as the answer; say so if little of the model's probability stands behind it."""
    draft.distribution = found
    draft.answer = most_probable(found)
    if found.method == "uniform":
        draft.warn("Where none of the options had any probability, a uniform distribution stands in.")
    elif found.unassigned_mass > MOSTLY_OUTSIDE:
        draft.warn(
            f"{found.unassigned_mass:.0%} of the model's probability lies outside the options: "
            "it would rather say something else."
        )
