"""A distribution taken as an ask's answer.

Aggregate ──settle──> the draft's distribution and most probable option, the exchange in the LLM's thread, warnings
"""

from __future__ import annotations

import math
from contextlib import suppress

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import ContextOverflow, EngineFailure, RemoteFailure, Unsupported
from pluralism_local.modes.aggregate import from_even_shares, is_led_by_places, is_stand_in, most_probable
from pluralism_local.modes.options import letters
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.results import LLM_VOICE, Aggregate
from pluralism_local.types import Request, Sampling, TextDone

FAILURES = (ContextOverflow, RemoteFailure, EngineFailure)
MOSTLY_OUTSIDE = 0.5


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
    if aggregate.order_effect is not None and is_led_by_places(aggregate):
        draft.warn(
            f"The places of the options matter more than the options: from one order to another the shares move by "
            f"{100 * aggregate.order_effect:.1f} % on the mean, and their average is "
            f"{100 * from_even_shares(aggregate.p):.1f} % from even shares."
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
