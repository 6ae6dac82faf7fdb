"""From probabilities to a window: what a voice's comment does with a claim, and which claims are positions.

    claims, (P(support), P(opposition)) of voice × claim ──build_window──> Window

A claim is a position where a comment supports it; a claim that none supports is dropped and counted, so that nothing
stands in a window which nobody said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pluralism_local.positions.claims import ENDS, MOST, claim_id, tidy, without_reason
from pluralism_local.positions.merging import ALIKE, are_same_words, deny_each_other, overlap
from pluralism_local.results import Finder, Mark, Position, Stance, StanceMethod, Window
from pluralism_local.sentences import sentences

SUFFICES: dict[StanceMethod, float] = {"entailment": 0.5, "llm": 0.65}
"""The probability from which on a comment supports a claim; a model that knows nothing of it gives 0.5."""

OPPOSES: dict[StanceMethod, float] = {"entailment": 0.9, "llm": 0.65}
"""That from which on it opposes one. A scorer takes sentences about other things for contradictions. Chosen
on labelled pairs: see docs/positions.md."""

STATED = 0.5
"""The LLM's probability from which on an answer states a position."""

_LEAST = 1e-6

Relation = tuple[float, float]
"""Probabilities, each in [0, 1], that a text supports a claim and that it opposes it."""

SAID: Relation = (1.0, 0.0)
"""Of a text that says a claim in its words, or of which the LLM was told to say what it claims."""


def stance(relation: Relation, method: StanceMethod) -> Stance:
    """What probabilities of support and opposition come to; silent where neither suffices."""
    support, opposition = relation
    if support >= SUFFICES[method] and support >= opposition:
        return "supports"
    return "opposes" if opposition >= OPPOSES[method] and opposition > support else "silent"


def calibrated(yes: float, prior: float) -> Relation:
    """What a model's P(yes) says of a comment beyond what it says without one ("contextual calibration").

    The log-odds of the one less those of the other, so that a comment which changes nothing has a half (Zhao et al.,
    "Calibrate Before Use", ICML 2021, §5, for two answers).

    Args:
        yes, prior: P(the author agrees), of the two words for it, with the comment and without.
    """
    odds = [min(max(p, _LEAST), 1 - _LEAST) / (1 - min(max(p, _LEAST), 1 - _LEAST)) for p in (yes, prior)]
    support = odds[0] / (odds[0] + odds[1])
    return support, 1 - support


def in_words(text: str, claim: str) -> Relation | None:
    """What a text says of a claim in nearly its very words; None where it does not.

    "As a senator, I believe that phones should not be banned." supports that they should not, and opposes that they
    should. A question says neither.
    """
    statements = [tidy(sentence) for sentence in sentences(text) if not sentence.endswith("?")]
    if any(are_same_words(sentence, claim) for sentence in statements):
        return SAID
    return (0.0, 1.0) if any(deny_each_other(sentence, claim) for sentence in statements) else None


def contrasted(relations: Sequence[Relation], claims: Sequence[str]) -> list[Relation]:
    """One text's relations to claims, in which a claim and its denial share what both were given.

    A model that is ready to agree gives both much: its log-odds of the one less those of the other take that away, and
    a text that agrees with both alike is for neither.

    Args:
        relations: of the LLM, where opposition is all that is not support; one for each claim.
    """
    odds = [support / max(opposition, _LEAST) for support, opposition in relations]
    shared = list(relations)
    for place, claim in enumerate(claims):
        denials = [other for other, text in enumerate(claims) if deny_each_other(claim, text)]
        if denials:
            against = max(odds[other] for other in denials)
            support = odds[place] / max(odds[place] + against, _LEAST)
            shared[place] = (support, 1 - support)
    return shared


def with_reasons(relations: Sequence[Relation], claims: Sequence[str]) -> list[Relation]:
    """One text's relations to claims, of which one may be another with a reason, which entails that, or go further.

    Who is known to hold a claim for a reason holds the claim. Who only probably does holds the whole no more probably
    than the claim alone: the more a claim has in it, the sooner a model finds something in it to agree with.
    """
    held = list(relations)
    for whole, place in reasoned(claims).items():
        if relations[whole] == SAID:
            held[place] = SAID
    for whole, place in sorted(extended(claims).items(), key=lambda pair: len(claims[pair[0]])):
        if relations[whole] != SAID:
            held[whole] = min(held[whole], held[place])
    return held


def extended(claims: Sequence[str]) -> dict[int, int]:
    """By the place of each claim that begins with another, or is it with a reason, that of the longest such one."""
    begun = {
        whole: max((len(other), place) for place, other in enumerate(claims) if _goes_on(claim, other))[1]
        for whole, claim in enumerate(claims)
        if any(_goes_on(claim, other) for other in claims)
    }
    return {**reasoned(claims), **begun}


def _goes_on(claim: str, other: str) -> bool:
    return claim.lower().startswith(f"{other.rstrip(''.join(ENDS)).lower()} ")


def reasoned(claims: Sequence[str]) -> dict[int, int]:
    """By the place of each claim that is another with a reason, the place of that."""
    places = {claim: place for place, claim in enumerate(claims)}
    mains = {whole: without_reason(claim) for whole, claim in enumerate(claims)}
    return {whole: places[main] for whole, main in mains.items() if main != claims[whole] and main in places}


def build_window(
    claims: Sequence[str],
    relations: Mapping[str, Sequence[Relation]],
    *,
    finder: Finder,
    method: StanceMethod,
    question: str = "",
    merged: int = 0,
    unsaid: int = 0,
    beyond: int = 0,
    most: int = MOST,
) -> Window:
    """The window of `claims`, which are distinct.

    Args:
        relations: by voice, in the pool's order, one for each claim.
        question: that they are about: its words make no two claims alike.
        merged: claims that were left out before, for saying the same as another.
        unsaid: those left out before because what they are about stands in no comment; counted as dropped.
        beyond: those that were not looked into for lack of room.
    """
    positions = [
        Position(
            id=claim_id(claim),
            text=claim,
            support={voice: row[place][0] for voice, row in relations.items()},
            opposition={voice: row[place][1] for voice, row in relations.items()},
            stance={voice: stance(row[place], method) for voice, row in relations.items()},
        )
        for place, claim in enumerate(claims)
    ]
    held = [position for position in positions if position.supporters]
    held.sort(key=lambda position: -len(position.supporters))  # equal ones stay in the order of the claims
    distinct = [
        position
        for place, position in enumerate(held)
        if not any(adds_nothing(position, other, question) for other in held[:place])
    ]
    return Window(
        positions=tuple(distinct[:most]),
        voices=tuple(relations),
        finder=finder,
        method=method,
        dropped=unsaid + len(positions) - len(held),
        merged=merged + len(held) - len(distinct),
        beyond=beyond + len(distinct[most:]),
    )


def adds_nothing(position: Position, other: Position, question: str) -> bool:
    """Whether `other` says it in half the same words, is held by all who hold it, and is opposed by none of them.

    "Phones help to talk and to play" beside "Phones help to talk and to work": small models list many such.
    """
    return (
        overlap(position.text, other.text, beside=question) >= ALIKE
        and set(position.supporters) <= set(other.supporters)
        and set(position.holders("opposes")) <= set(other.holders("opposes"))
    )


def with_answer(window: Window, stated: Sequence[bool], marks: Sequence[Mark] = ()) -> Window:
    """`window` with whether the answer states each position, and with the answer's marks."""
    positions = [
        replace(position, in_answer=is_stated)
        for position, is_stated in zip(window.positions, stated, strict=True)
    ]
    return replace(window, positions=tuple(positions), marks=tuple(marks))
