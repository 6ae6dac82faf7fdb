"""How far voices agree on statements, as values: scores, a choice by a rule of social choice, who loses by it.

    statements × voices, P(agree) each ──deliberation.verdict──> Agreement          comments ──changes──> Change

A statement that some voice rejects, or has spoken against, is never called a consensus, whatever rule chose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal["maxmin", "mean", "nash", "borda", "schulze", "w_alpha"]
"""How a statement is chosen by the voices' scores, see `deliberation.rules`."""

ACCEPTS = 0.5
"""The probability of agreeing from which on a voice does not reject a statement."""


@dataclass(frozen=True, slots=True)
class Deliberation:
    """What the voices do with each other's comments before there is an answer.

    Attributes:
        rounds: how often they comment again, ≥ 0.
        rule: by which a statement is chosen as the answer; None for an answer that the LLM writes.
        alpha: of the rule w_alpha.
        revises: whether the chosen statement is criticised, revised and judged once more.
        hears: what voices are shown in rounds, the positions that were taken or each other's comments, which also stand
            in for positions where none are found.
    """

    rounds: int = 0
    rule: Rule | None = None
    alpha: float | None = None
    revises: bool = False
    hears: Literal["positions", "comments"] = "positions"


ALONE = Deliberation()
"""Voices that do not hear each other."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that the voices judged.

    Attributes:
        id: eight hex digits of its text: the same statement has the same id in every ask.
        by: who proposed it, communities' ids or `results.LLM_VOICE`; several where they wrote the same.
        scores: by voice, in the pool's order, its probability of agreeing, in [0, 1].
        welfare: what the rule makes of the scores; its scale is the rule's.
    """

    id: str
    text: str
    by: tuple[str, ...]
    scores: Mapping[str, float]
    welfare: float

    @property
    def rejected_by(self) -> tuple[str, ...]:
        """The voices whose probability of agreeing is below one half, in the pool's order."""
        return tuple(voice for voice, score in self.scores.items() if score < ACCEPTS)


@dataclass(frozen=True, slots=True)
class AlphaChoice:
    """What w_α chooses (Roadmap to Pluralistic Alignment §4.3).

    Attributes:
        alpha: aversion to inequality, ≥ 0: 0 is the mean, 1 the geometric mean, infinity the smallest score.
        statement: the chosen statement's id.
        welfare: its w_α, in [0, 1].
    """

    alpha: float
    statement: str
    welfare: float


@dataclass(frozen=True, slots=True)
class Loss:
    """The voice that gives up most by a choice.

    Attributes:
        score: its probability of agreeing with what was chosen.
        best: the id of the statement that it would have agreed with most.
        best_score: its probability of agreeing with that one; larger than `score`.
    """

    voice: str
    score: float
    best: str
    best_score: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the voices made of the statements.

    Attributes:
        rule: what chose.
        alpha: of w_alpha; None for the other rules.
        statements: the chosen one first, then the rest of the ranking.
        tied: ids of others that the rule ranks as high as the chosen one.
        sweep: what w_α chooses, by growing α.
        loses_most: None where everybody agrees most with what was chosen.
        weights: by voice its weight in the rule, summing to 1; maxmin has no use for them.
        critiques: by voice what it would have changed in the statement that was chosen first; empty where nobody was
            asked.
        against: voices whose own comment agrees rather with the denial of what was chosen, in the pool's order, as the
            LLM reads it; empty where it cannot tell.
        revision: the id of the statement that the LLM made of these; None where none was asked, or none came.
    """

    rule: Rule
    alpha: float | None
    statements: tuple[Statement, ...]
    tied: tuple[str, ...]
    sweep: tuple[AlphaChoice, ...]
    loses_most: Loss | None
    weights: Mapping[str, float]
    critiques: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    against: tuple[str, ...] = ()

    @property
    def chosen(self) -> Statement:
        """The statement that the rule chose."""
        return self.statements[0]

    @property
    def is_consensus(self) -> bool:
        """Whether no voice rejects it, and none has spoken against it."""
        return not self.chosen.rejected_by and not self.against


ChangeKind = Literal["stood", "answered", "revised", "silent"]
ChangeMethod = Literal["positions", "text"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a voice did in a round.

    Attributes:
        kind: it "stood" by what it had said; "answered" a position of others by opposing it; "revised" its view, which
            now has a position more, or opposes one that it held; or was "silent".
        method: whether that was told by the "positions" of its two comments or by their "text" alone.
        similarity: of the two comments' words, in [0, 1]; 1 for the same words in the same order.
        gained, dropped, opposed: texts of positions that it now supports and did not, no longer supports, now opposes
            and did not.
    """

    voice: str
    kind: ChangeKind
    method: ChangeMethod
    similarity: float
    gained: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    opposed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """The voices are shown what was said, and comment again: round `number`, from 1, of `rounds`."""

    number: int
    rounds: int


@dataclass(frozen=True, slots=True)
class JuryStarted:
    """The voices judge that many statements."""

    statements: int
