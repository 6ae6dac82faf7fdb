"""Whether texts support or oppose claims: by the entailment scorer, or by the LLM's own probabilities.

(text, claim)… ──relate──> P(support), P(opposition) of each

entailment   the largest P(entailment), P(contradiction) of the text's sentences, each a premise: scorers are made
             for sentences, and whole comments hardly ever entail anything. A sentence that has no content word in
             common with the claim is not scored.
llm          P("Yes") against "No", whether the author agrees, after the question, the text and the claim; less what
             it is where no text stands. What a text says in a claim's words, or denies in them, needs no model. A text
             that has no word of what the claim adds to the question is silent on it, and not asked about: models are
             ready to agree, and half of what they have to read is spared. So is one on a claim that something is
             complex if the text calls nothing so, and one on a claim that goes on from another, with a reason or
             else, if it has not half of the words of that, or is known not to hold the other

Equal pairs are scored once in an ask: what was scored is kept in `ScoredPairs`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from pluralism_local.content_words import speaks_of, spoken_share
from pluralism_local.modes.aggregate import STAND_IN
from pluralism_local.modes.options import letters
from pluralism_local.modes.steps import Case, Entail, Step
from pluralism_local.modes.weighing import weigh
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.claims import claim_id, leaves_open, without_reason
from pluralism_local.positions.merging import (
    are_same_words,
    clusters,
    deny_each_other,
    says_in_words,
    share_a_word,
)
from pluralism_local.positions.stances import (
    SAID,
    STATED,
    SUFFICES,
    Relation,
    calibrated,
    contrasted,
    extended,
    in_words,
    stance,
)
from pluralism_local.progress import PositionsProgress
from pluralism_local.results import StanceMethod
from pluralism_local.sentences import sentences
from pluralism_local.types import OptionDistribution

AGREES = ("Yes", "No")
"""What the LLM answers: one token each, so that no option takes a step of its own."""

GROUNDED = 0.5
"""Of the words that a reason adds, the share that a comment has whose author is asked about for it."""

MOST_PREMISES = 12
"""Sentences of a text that are scored: in longer ones the rest is left out."""

_SAME: Sequence[float] = (1.0, 0.0, 0.0)
_NOTHING: Sequence[float] = (0.0, 1.0, 0.0)
UNSAID: Relation = (0.5, 0.5)
"""As of a text that changes nothing in the LLM's answer."""
_NO_TEXT = ""
_NOTHING_HELD: Mapping[str, Collection[int]] = {}


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """What was scored so far in an ask.

    Attributes:
        entails: by sentence and claim P of entailment, neutral and contradiction.
        agrees: by text and claim the LLM's P("Yes"), of the two words, None where it gave neither any probability; by
            "" and claim that without a text.
    """

    entails: dict[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    agrees: dict[tuple[str, str], float | None] = field(default_factory=dict)


def relate(
    case: Case[Q], pairs: Sequence[tuple[str, str]], rows: ScoredPairs
) -> Generator[Step, Any, list[Relation]]:
    """The relation of each (text, claim), in order; a blank text has none to any claim.

    Args:
        rows: filled with what is scored, and looked into first.
    """
    if case.plan.method == "llm":
        return (yield from _by_llm(case, pairs, rows))
    return (yield from _by_entailment(pairs, rows))


def relate_all(
    case: Case[Q],
    texts: Mapping[str, str],
    claims: Sequence[str],
    rows: ScoredPairs,
    held: Mapping[str, Collection[int]] = _NOTHING_HELD,
) -> Generator[Step, Any, dict[str, list[Relation]]]:
    """By name of a text its relation to each claim, which its denial has a part in if the LLM tells them.

    One text after the other, with its progress.

    Args:
        held: by name the places of claims that a text is known to make, and that nobody is asked about therefore.
    """
    relations: dict[str, list[Relation]] = {}
    for done, (name, text) in enumerate(texts.items()):
        yield PositionsProgress(done * len(claims), len(texts) * len(claims))
        claimed = dict.fromkeys(held.get(name, ()), SAID)
        unsaid = _ungrounded(case, text, claims, claimed) if case.plan.method == "llm" else {}
        others = [place for place in range(len(claims)) if place not in claimed and place not in unsaid]
        told = yield from relate(case, [(text, claims[place]) for place in others], rows)
        by_place = {**unsaid, **claimed, **dict(zip(others, told, strict=True))}
        row = [by_place[place] for place in range(len(claims))]
        shared = contrasted(row, claims) if case.plan.method == "llm" else row
        relations[name] = [claimed.get(place, relation) for place, relation in enumerate(shared)]
    return relations


def _ungrounded(
    case: Case[Q], text: str, claims: Sequence[str], claimed: Mapping[int, Relation]
) -> dict[int, Relation]:
    """By place those of the claims that go on from another which the LLM need not be asked about: silence.

    The text lacks most words of the reason or what else it is, or is known not to support the other.
    """
    unsaid = {}
    for whole, place in extended(claims).items():
        plain = claimed.get(place) or in_words(text, claims[place])
        holds = plain is None or stance(plain, "llm") == "supports"
        if not (holds and gives(case, text, claims[whole], claims[place])):
            unsaid[whole] = UNSAID
    return unsaid


def gives(case: Case[Q], text: str, whole: str, claim: str) -> bool:
    """Whether a text has most words of what `whole` adds to a claim: no other can give that reason for it."""
    return spoken_share(text, whole, f"{case.question.question} {claim}") >= GROUNDED


def find_stated(
    case: Case[Q], pairs: Sequence[tuple[str, str]], rows: ScoredPairs
) -> Generator[Step, Any, list[bool]]:
    """Whether each text of the answer has the claim in it, as its own view or as somebody's.

    One that says it in the claim's own words needs no model.
    """
    open_pairs = [pair for pair in dict.fromkeys(pairs) if not says_in_words(*pair)]
    if case.plan.method == "entailment":
        relations = yield from _by_entailment(open_pairs, rows)
        stated = [support >= SUFFICES["entailment"] for support, _ in relations]
    else:
        wordings = [case.wordings.stated(case.question, text, claim) for text, claim in open_pairs]
        distributions = (yield from weigh("positions", wordings, letters(2))) if wordings else []
        stated = [yes is not None and yes >= STATED for yes in map(_first_share, distributions)]
    by_pair = dict(zip(open_pairs, stated, strict=True))
    return [by_pair.get(pair, True) for pair in pairs]


def merged(case: Case[Q], claims: Sequence[str], rows: ScoredPairs) -> Generator[Step, Any, list[list[int]]]:
    """Groups of places, as `clusters` has them, of claims that say the same: in the same words, or both ways.

    Without a scorer the words alone decide: to ask the LLM about all pairs of claims takes longer than to assign them
    to the voices.
    """
    in_words = clusters(len(claims), lambda a, b: are_same_words(claims[a], claims[b]))
    if not case.plan.scores:
        return in_words
    leaders = [claims[group[0]] for group in in_words]
    apart = {
        (a, b)
        for a, b in combinations(range(len(leaders)), 2)
        if leaders[b] == without_reason(leaders[a])
        or leaders[a] == without_reason(leaders[b])
        or deny_each_other(leaders[a], leaders[b])
    }
    groups = yield from group_by_claim(case, leaders, leaders, rows, apart)
    return [[place for leader in group for place in in_words[leader]] for group in groups]


def group_by_claim(
    case: Case[Q],
    texts: Sequence[str],
    claims: Sequence[str],
    rows: ScoredPairs,
    apart: Collection[tuple[int, int]] = (),
) -> Generator[Step, Any, list[list[int]]]:
    """Groups of places, as `clusters` has them: the text at each of two places says what the other's claim does.

    By the scorer where there is one, else by the LLM. Neither is asked about claims in nearly the same words.

    Args:
        texts, claims: one of both at each place.
        apart: two places, the smaller one first, that are known not to say the same.
    """
    method = claims_method(case)

    def saying(places: Sequence[tuple[int, int]]) -> Generator[Step, Any, list[tuple[int, int]]]:
        """Those of `places` whose first text says what the second claim does."""
        pairs = [(texts[a], claims[b]) for a, b in places]
        by_method = _by_llm(case, pairs, rows) if method == "llm" else _by_entailment(pairs, rows)
        relations = yield from by_method
        return [
            place
            for place, (support, _) in zip(places, relations, strict=True)
            if support >= SUFFICES[method]
        ]

    places = list(combinations(range(len(texts)), 2))
    alike = {
        (a, b) for a, b in places if _is_same(claims[a], claims[b]) or are_same_words(claims[a], claims[b])
    }
    forward = yield from saying([place for place in places if place not in alike and place not in apart])
    # most texts do not say what a later one claims: whether that says what they claim need not be looked into
    mutual = {(a, b) for b, a in (yield from saying([(b, a) for a, b in forward]))}
    return clusters(len(texts), lambda a, b: (a, b) in alike or (a, b) in mutual)


def claims_method(case: Case[Q]) -> StanceMethod:
    """Who tells which claims say the same: the scorer where there is one."""
    return "entailment" if case.plan.scores else "llm"


def premises(text: str) -> list[str]:
    """The sentences of a text that are scored."""
    return sentences(text)[:MOST_PREMISES]


def _by_entailment(
    pairs: Sequence[tuple[str, str]], rows: ScoredPairs
) -> Generator[Step, Any, list[Relation]]:
    premises_of = {text: premises(text) for text in dict.fromkeys(text for text, _ in pairs)}
    cells = dict.fromkeys((premise, claim) for text, claim in pairs for premise in premises_of[text])
    for premise, claim in [cell for cell in cells if cell not in rows.entails]:
        if _is_same(premise, claim):
            rows.entails[premise, claim] = _SAME
        elif not share_a_word(premise, claim):
            rows.entails[premise, claim] = _NOTHING
    missing = tuple(cell for cell in cells if cell not in rows.entails)
    if missing:
        scores: Sequence[Sequence[float]] = yield Entail(missing)
        rows.entails.update(zip(missing, scores, strict=True))
    relations = []
    for text, claim in pairs:
        rows_of_text = [rows.entails[premise, claim] for premise in premises_of[text]]
        relations.append(
            (
                max((row[0] for row in rows_of_text), default=0.0),
                max((row[2] for row in rows_of_text), default=0.0),
            )
        )
    return relations


def _by_llm(
    case: Case[Q], pairs: Sequence[tuple[str, str]], rows: ScoredPairs
) -> Generator[Step, Any, list[Relation]]:
    question = case.question.question
    plain = {pair: in_words(*pair) for pair in dict.fromkeys(pairs)}
    spoken = [
        (text, claim)
        for text, claim in pairs
        if text.strip()
        and plain[text, claim] is None
        and speaks_of(text, claim, question)
        and (leaves_open(text) or not leaves_open(claim))
    ]
    # a text's claims stand together, so that it is read once for all of them
    cells = dict.fromkeys([*spoken, *((_NO_TEXT, claim) for _, claim in spoken)])
    missing = [cell for cell in cells if cell not in rows.agrees]
    if missing:
        rows.agrees.update((yield from agrees(case, missing)))
    relations = {pair: _beyond_prior(rows, *pair) for pair in spoken}
    return [plain[pair] or relations.get(pair, UNSAID) for pair in pairs]


def agrees(
    case: Case[Q], cells: Sequence[tuple[str, str]]
) -> Generator[Step, Any, dict[tuple[str, str], float | None]]:
    """By text and claim the LLM's P("Yes"), that the author agrees; None where neither word had any probability."""
    wordings = [case.wordings.stance(case.question, text, claim) for text, claim in cells]
    distributions = yield from weigh("positions", wordings, AGREES)
    return dict(zip(cells, map(_first_share, distributions), strict=True))


def _first_share(distribution: OptionDistribution) -> float | None:
    """The first option's share; None where no option had any probability, and even shares stand in for an answer."""
    return None if distribution.method == STAND_IN else distribution.p[0]


def _beyond_prior(rows: ScoredPairs, text: str, claim: str) -> Relation:
    """What the text adds to the LLM's answer without one: nothing where the LLM gave neither word any probability."""
    prior, yes = rows.agrees[_NO_TEXT, claim], rows.agrees[text, claim]
    prior = 0.5 if prior is None else prior
    return calibrated(prior if yes is None else yes, prior)


def _is_same(text: str, claim: str) -> bool:
    """Whether a text is the claim itself, word for word."""
    return claim_id(text) == claim_id(claim)
