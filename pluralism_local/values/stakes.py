"""What is found in a situation: values, rights and duties, how relevant each is, and for or against what it speaks.

Stake ──P(at stake)──> relevance      ──P(support, oppose, either)──> Valence      ──a sentence──> reason
                     └──────────────────────── WeighedStake… ────────────────────────┴──> Values
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pluralism_local.positions.claims import claim_id
from pluralism_local.types import DistributionMethod, ModelInfo, Usage

Kind = Literal["value", "right", "duty"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Leaning = Literal["support", "oppose", "either"]
LEANINGS: tuple[Leaning, ...] = get_args(Leaning)
"""What a value does with a situation: it speaks for it, against it, or for one or the other as the case may be."""

SUPPORTS_FROM, OPPOSES_UNTIL, STEEPNESS = 0.45, -0.8, 1.5
"""Where support, and where opposition, is as likely as not, in log-odds of yes to the one less those of yes to the
other, and how fast each becomes likelier. Fitted to labelled values on a small model, which says yes to opposition
somewhat more readily: see docs/values.md."""

Telling = DistributionMethod | Literal["words"]
"""How a model told something: by its probabilities, however these were had, or by its words alone."""


@dataclass(frozen=True, slots=True)
class Stake:
    """A value, right or duty by its name, ``"Health"`` or ``"Right to clean air"``."""

    kind: Kind
    text: str

    @property
    def id(self) -> str:
        """Eight hex digits of kind and words, the same in every situation."""
        return claim_id(f"{self.kind} {self.text}")

    @property
    def attribute(self) -> str:
        """As the mode steerable takes it: ``"value: Health"``."""
        return f"{self.kind}: {self.text}"


@dataclass(frozen=True, slots=True)
class Valence:
    """Probabilities of the three leanings, which sum to 1, and how they were told."""

    support: float
    oppose: float
    either: float
    method: Telling

    @classmethod
    def of(cls, lean: float, method: Telling) -> Valence:
        """By the log-odds of support less those of opposition (ordered logit)."""
        support = 1 / (1 + math.exp(STEEPNESS * (SUPPORTS_FROM - lean)))
        oppose = 1 / (1 + math.exp(STEEPNESS * (lean - OPPOSES_UNTIL)))
        return cls(support, oppose, max(0.0, 1 - support - oppose), method)

    @property
    def p(self) -> tuple[float, float, float]:
        """In the order of `LEANINGS`."""
        return self.support, self.oppose, self.either

    @property
    def leaning(self) -> Leaning:
        """The most probable one; either where two are alike."""
        if max(self.support, self.oppose) <= self.either or self.support == self.oppose:
            return "either"
        return "support" if self.support > self.oppose else "oppose"


@dataclass(frozen=True, slots=True)
class WeighedStake:
    """A value, right or duty, as far as it was looked into.

    Attributes:
        relevance: the probability, in [0, 1], that it is at stake, beyond what the model says without the situation.
        valence, reason: None and "" where the search ended before.
        merged: others that say the same, which it stands for.
    """

    stake: Stake
    relevance: float
    valence: Valence | None = None
    reason: str = ""
    merged: tuple[Stake, ...] = ()


@dataclass(frozen=True, slots=True)
class Values:
    """What was found in a situation.

    Attributes:
        stakes: those that are relevant, the most relevant first.
        irrelevant: those whose relevance is below `min_relevance`, the most relevant first.
        unweighed: those that were listed and not looked into, since the search was stopped.
        beyond: relevant ones that were left out for `limit`.
        draws: lists that the model wrote.
        method: how relevance was told; None where nothing was.
        seconds: in all.
        complete: False if it was stopped or part of it failed.
    """

    situation: str
    stakes: tuple[WeighedStake, ...]
    model: ModelInfo
    irrelevant: tuple[WeighedStake, ...] = ()
    unweighed: tuple[Stake, ...] = ()
    beyond: int = 0
    draws: int = 0
    min_relevance: float = 0.5
    limit: int = 0
    seed: int = 0
    method: Telling | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)
    seconds: float = 0.0
    prompts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    complete: bool = True

    @property
    def merged(self) -> int:
        """How many say the same as one of `stakes`."""
        return sum(len(weighed.merged) for weighed in self.stakes)
