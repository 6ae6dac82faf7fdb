"""Steps that weigh, and what an algorithm makes of them.

    wordings ──weigh──> a distribution each
    Case, a wording of it in any order ──weigh_options──> Weighed each: every order of the options, in one step
    Case, the same ──answer──> Answered

The letters are the same in every order, and so is all before the list of options: an engine that shares what prompts
begin with reads that once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import single
from pluralism_local.modes.options import letters
from pluralism_local.modes.orders import Order, Weighed, in_asked_order
from pluralism_local.modes.relisting import relettered
from pluralism_local.modes.steps import LABEL_TOKENS, Answered, Case, LlmStage, Step, Steps, Weigh, Write
from pluralism_local.modes.wordings import Q, Wording
from pluralism_local.results import Selection
from pluralism_local.types import Completion, OptionDistribution


@dataclass(frozen=True, slots=True)
class Listed(Generic[Q]):
    """A case's question with its options in one order."""

    case: Case[Q]
    order: Order

    @property
    def question(self) -> Q:
        """The question, its list in this order."""
        case = self.case
        if not case.orders or self.order == case.orders[0]:
            return case.question
        return case.wordings.in_order(case.question, case.options, self.order)

    def comment(self, text: str) -> str:
        """A comment on the question as asked, with the letters in it those of this order."""
        return relettered(text, self.case.options, self.order) if self.case.options else text


Put = Callable[[Listed[Q]], Wording]
"""How the question is put with its options in an order."""


def weigh(
    stage: LlmStage, wordings: Sequence[Wording], options: tuple[str, ...]
) -> Generator[Step, Any, list[OptionDistribution]]:
    """Probabilities after each wording, in order; equal ones are weighed once."""
    distinct = {wording.text: wording for wording in wordings}
    distributions: Sequence[OptionDistribution] = yield Weigh(stage, tuple(distinct.values()), options)
    by_text = dict(zip(distinct, distributions, strict=True))
    return [by_text[wording.text] for wording in wordings]


def weigh_options(case: Case[Q], puts: Sequence[Put[Q]]) -> Generator[Step, Any, list[Weighed]]:
    """The case's options after each way to put its question, in all of its orders."""
    listings = [Listed(case, order) for order in case.orders]
    wordings = [put(listed) for put in puts for listed in listings]
    distributions = iter((yield from weigh("answer", wordings, letters(len(case.options)))))
    return [
        Weighed(case.orders, tuple(in_asked_order(next(distributions), order) for order in case.orders))
        for _ in puts
    ]


def answer(case: Case[Q], put: Put[Q], selection: Selection | None = None) -> Steps:
    """Answer by the options' probabilities, or in words.

    The question is put as asked, or in each order.
    """
    wording = put(Listed(case, case.orders[0] if case.orders else ()))
    sampling = case.answer
    if case.answers != "text":
        try:
            (weighed,) = yield from weigh_options(case, [put])
            return Answered(wording, distribution=single(case.options, weighed), selection=selection)
        except Unsupported:
            if case.answers == "distribution":
                raise
            sampling = replace(sampling, max_tokens=LABEL_TOKENS)
    completion: Completion = yield Write("answer", wording, sampling)
    return Answered(wording, completion.text.strip(), selection=selection)
