"""Values looked for on an engine, by the ask driver.

situation, LanguageModel ──find_values──> ValuesProgress…, Values
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput, PlocalError, Unsupported
from pluralism_local.mode_specs import ALONE
from pluralism_local.model_names import STARTER
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.driver import advance
from pluralism_local.modes.positions.assigner import ScoredPairs
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import Case, Entailment
from pluralism_local.modes.values.finder import Findings, Search, find
from pluralism_local.modes.values.prompts import KALEIDO, LLM, ValueWordings
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.progress import ValuesProgress
from pluralism_local.values.stakes import Values

LIMIT = 10
"""Stakes that are looked into to the end, where nobody says otherwise: what a reader can take in."""

MOST = 40
RELEVANT = 0.5
"""The relevance from which on one is at stake, where nobody says otherwise: the situation speaks for it at all."""


def find_values(
    situation: str,
    *,
    llm: LanguageModel,
    limit: int = LIMIT,
    min_relevance: float = RELEVANT,
    seed: int = 0,
    should_stop: ShouldStop = never,
    entailment: Entailment | None = None,
) -> Iterator[ValuesProgress | Values]:
    """What is at stake in a situation or a question; the last event is the Values, also when stopped.

    Args:
        limit: how many are looked into to the end, 1 to `MOST`.
        min_relevance: from which on one is relevant, in [0, 1].
        seed: of the lists that are drawn beyond the first.
        entailment: tells which values say the same, beside their words; None for these alone.

    Raises:
        InvalidInput: at the call: a blank situation, a number out of range.
        Unsupported: at the call: a base model, which follows no instructions.
        PlocalError: as the engine raises, while there is nothing to keep. Once there are stakes that were weighed, a
            failure ends in Values with ``complete=False`` and the failure among their warnings.
    """
    check(situation, llm, limit, min_relevance)
    return _find(situation.strip(), llm, limit, min_relevance, seed, should_stop, entailment)


def check(situation: str, llm: LanguageModel, limit: int, min_relevance: float) -> None:
    """Refuse what no values can be found for.

    Raises: InvalidInput, Unsupported as `find_values`.
    """
    if not situation.strip():
        raise InvalidInput("The situation is empty.", "Give one, e.g. 'Biking to work'.")
    if not 1 <= limit <= MOST:
        raise InvalidInput(f"Between 1 and {MOST} values can be looked into, got {limit}.", "Change --limit.")
    if not (math.isfinite(min_relevance) and 0 <= min_relevance <= 1):
        raise InvalidInput(
            f"A relevance lies between 0 and 1, got {min_relevance:g}.", "Change --min-relevance."
        )
    if llm.capabilities.only_continues:
        raise Unsupported(
            f"{llm.info.id} is a base model, which goes on with a text and cannot list values.",
            "Use an instruct model; plocal models ls --recommended lists some.",
        )


def wordings_for(llm: LanguageModel) -> ValueWordings:
    """How this model is asked."""
    return KALEIDO if llm.info.backend == "kaleido" else LLM


def _find(
    situation: str,
    llm: LanguageModel,
    limit: int,
    min_relevance: float,
    seed: int,
    should_stop: ShouldStop,
    entailment: Entailment | None,
) -> Iterator[ValuesProgress | Values]:
    started = time.perf_counter()
    draft = ResultBuilder(Ask(situation, ALONE), llm)
    put, grammars = wordings_for(llm), llm.capabilities.grammars
    search = Search(situation, put, limit, min_relevance, seed, put.first, put.more, grammars)
    plan = PositionPlan(False, "llm", "llm", grammars, scores=entailment is not None)
    case = Case(
        AskWordings(),
        AskQuestion(situation, lists_options=False),
        "text",
        (),
        (),
        llm.capabilities.distribution,
        draft.ask.answer,
        plan,
    )
    findings = Findings()
    result = partial(_values, draft, search, findings, started)
    try:
        for event in advance(
            draft, find(case, search, findings, ScoredPairs()), llm, should_stop, entailment
        ):
            if isinstance(event, ValuesProgress):
                yield event
    except PlocalError as error:
        if not (findings.stakes or findings.irrelevant):
            raise
        draft.fail(error)
    if findings.stopped:
        draft.stop()
    yield result()


def _values(draft: ResultBuilder, search: Search, findings: Findings, started: float) -> Values:
    record = draft.result()
    return Values(
        situation=search.situation,
        stakes=tuple(findings.stakes),
        model=record.llm,
        irrelevant=tuple(findings.irrelevant),
        unweighed=tuple(findings.listed),
        beyond=findings.beyond,
        draws=findings.draws,
        min_relevance=search.min_relevance,
        limit=search.limit,
        seed=search.seed,
        method=findings.method,
        usage=record.usage,
        seconds=time.perf_counter() - started,
        prompts=record.prompts,
        warnings=(*_remarks(draft, search, findings), *record.warnings),
        complete=record.complete,
    )


def _remarks(draft: ResultBuilder, search: Search, findings: Findings) -> Iterator[str]:
    """What the user should know of how the values came to be."""
    if draft.llm.info.id == STARTER:
        yield "The starter is too small to tell values well: take what it finds for a try, and use a larger model."
    if not draft.complete:
        return
    if not (findings.stakes or findings.irrelevant):
        yield f"{draft.llm.info.id} listed no values, rights or duties."
    elif not findings.stakes:
        best = findings.irrelevant[0]
        yield (
            f"Nothing that the model listed is relevant by its own probability; the highest is {best.relevance:.2f}, "
            f"of '{best.stake.text}'. A lower --min-relevance than {search.min_relevance:g} shows more."
        )
