"""What is at stake in a situation, from the first list to the last reason.

    situation ──WriteEach──> lists ──read──> stakes ──relevances──> relevant ones ──merge──> distinct ones
              ──valences──> their leanings ──WriteEach──> a reason each

`Found` is filled on the way, a few stakes at a time, so that whatever ends the search leaves what is finished.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pluralism_local.errors import PlocalError
from pluralism_local.modes.positions.assigner import ScoredPairs, merged
from pluralism_local.modes.steps import Case, Step, Warn, WriteEach
from pluralism_local.modes.values.assessor import relevances, valences
from pluralism_local.modes.values.prompts import ValueWordings
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.claims import tidy
from pluralism_local.positions.grammars import sentence_grammar
from pluralism_local.progress import ValuesProgress
from pluralism_local.types import Completion, Grammar, Sampling
from pluralism_local.values.listing import distinct, read_stakes, values_grammar
from pluralism_local.values.stakes import Leaning, Stake, Telling, WeighedStake

TOGETHER = 8
"""Stakes that are asked about in one call: after each of them there is something to keep."""

REASON_TOKENS = 80


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, and how.

    Attributes:
        put: how the model is asked.
        limit: how many stakes are looked into to the end; as many are listed at least, if the model can.
        min_relevance: from which on one is relevant, in [0, 1].
        first: draws of the list to begin with; `more`: to add where these gave too few.
        grammars: those that the model takes, see `engine.base.Capabilities`.
    """

    situation: str
    put: ValueWordings
    limit: int
    min_relevance: float
    seed: int
    first: int
    more: int
    grammars: Literal["gbnf", "json", "none"]


@dataclass
class Findings:
    """What there is so far.

    Attributes:
        listed: that were not weighed yet.
        stakes, irrelevant: weighed, the most relevant first once all are.
        stopped: a reply was cut short by the user.
    """

    listed: list[Stake] = field(default_factory=list)
    stakes: list[WeighedStake] = field(default_factory=list)
    irrelevant: list[WeighedStake] = field(default_factory=list)
    method: Telling | None = None
    draws: int = 0
    beyond: int = 0
    stopped: bool = False


def find(case: Case[Q], search: Search, findings: Findings, rows: ScoredPairs) -> Generator[Step, Any, None]:
    """Look for what is at stake; `found` has it.

    Args:
        case: tells whether there is a scorer of entailment.
    """
    yield ValuesProgress("listing")
    yield from _list(search, findings)
    if findings.stopped:
        return
    yield from _weigh(search, findings)
    yield ValuesProgress("merging")
    yield from _merge(case, findings, rows)
    findings.beyond = len(findings.stakes[search.limit :])
    findings.stakes = findings.stakes[: search.limit]
    yield from _lean(search, findings)
    yield from _explain(search, findings)


def _list(search: Search, findings: Findings) -> Generator[Step, Any, None]:
    wording = search.put.list(search.situation)
    grammar = values_grammar(search.situation) if search.grammars != "none" else None
    for begin, count in ((0, search.first), (search.first, search.more)):
        if count == 0 or len(findings.listed) >= search.limit:
            return
        parts = tuple(
            (wording, search.put.list_sampling(search.seed, begin + draw), grammar) for draw in range(count)
        )
        replies: Sequence[Completion] = yield WriteEach("values", parts)
        findings.draws += len(replies)
        listed = (stake for reply in replies for stake in _read(reply, search.situation))
        findings.listed = distinct([*findings.listed, *listed])
        if any(reply.finish == "cancelled" for reply in replies):
            findings.stopped = True
            return


def _read(reply: Completion, situation: str) -> Iterator[Stake]:
    """Those of one list; a name that a limit cut off is none."""
    stakes = read_stakes(reply.text, situation)
    cut_in_a_line = reply.finish != "stop" and stakes and reply.text.rstrip().endswith(stakes[-1].text)
    yield from stakes[:-1] if cut_in_a_line else stakes


def _weigh(search: Search, findings: Findings) -> Generator[Step, Any, None]:
    total = len(findings.listed)
    while findings.listed:
        yield ValuesProgress("relevance", total - len(findings.listed), total)
        stakes = findings.listed[:TOGETHER]
        told = yield from relevances([(search.situation, stake) for stake in stakes], search.put)
        for stake, relevance in zip(stakes, told, strict=True):
            relevant = relevance.p >= search.min_relevance
            (findings.stakes if relevant else findings.irrelevant).append(WeighedStake(stake, relevance.p))
            findings.method = relevance.method
        findings.listed = findings.listed[TOGETHER:]
    for ranked in (findings.stakes, findings.irrelevant):
        ranked.sort(key=lambda weighed: -weighed.relevance)


def _merge(case: Case[Q], findings: Findings, rows: ScoredPairs) -> Generator[Step, Any, None]:
    """Let the most relevant of those that say the same stand for the others."""
    names = [said(weighed.stake) for weighed in findings.stakes]
    try:
        groups = yield from merged(case, names, rows)
    except PlocalError as error:
        yield Warn(f"Values that say the same were told by their words alone: {error.message}")
        return
    findings.stakes = [
        replace(findings.stakes[first], merged=tuple(findings.stakes[place].stake for place in others))
        for first, *others in groups
    ]


def said(stake: Stake) -> str:
    """A stake as a sentence, which scorers of entailment are made for."""
    return f"{stake.text} matters."


def _lean(search: Search, findings: Findings) -> Generator[Step, Any, None]:
    for begin in range(0, len(findings.stakes), TOGETHER):
        yield ValuesProgress("valence", begin, len(findings.stakes))
        some = findings.stakes[begin : begin + TOGETHER]
        told = yield from valences([(search.situation, weighed.stake) for weighed in some], search.put)
        findings.stakes[begin : begin + TOGETHER] = [
            replace(weighed, valence=valence) for weighed, valence in zip(some, told, strict=True)
        ]


def _explain(search: Search, findings: Findings) -> Generator[Step, Any, None]:
    grammar = sentence_grammar(search.situation) if search.grammars == "gbnf" else None
    for begin in range(0, len(findings.stakes), TOGETHER):
        yield ValuesProgress("reasons", begin, len(findings.stakes))
        some = findings.stakes[begin : begin + TOGETHER]
        yield from _explain_some(search, findings, begin, some, grammar)
        if findings.stopped:
            return


def _explain_some(
    search: Search, findings: Findings, begin: int, some: Sequence[WeighedStake], grammar: Grammar | None
) -> Generator[Step, Any, None]:
    sampling = Sampling(max_tokens=REASON_TOKENS, seed=search.seed)
    wordings = [search.put.reason(search.situation, weighed.stake, _leaning(weighed)) for weighed in some]
    replies: Sequence[Completion] = yield WriteEach(
        "values", tuple((wording, sampling, grammar) for wording in wordings)
    )
    for place, reply in enumerate(replies):
        if reply.finish == "cancelled":
            findings.stopped = True
        else:
            findings.stakes[begin + place] = replace(some[place], reason=tidy(reply.text))


def _leaning(weighed: WeighedStake) -> Leaning:
    return "either" if weighed.valence is None else weighed.valence.leaning
