"""Natural language inference: does a premise entail a hypothesis?

    NliPair(premise, hypothesis)… ──NliScorer.score──> [n, 3]: P(entailment), P(neutral), P(contradiction)

Scorers: `adapter.AdapterNli` (the base language model through an adapter, offline and without PyTorch) and
`classifier.ClassifierNli` (a sequence classifier of transformers). Failure modes: a blank text is `InvalidInput` when
the pair is made; stopping raises `Cancelled`; a model that computes NaN is an `EngineFailure`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import InvalidInput

Label = Literal["entailment", "neutral", "contradiction"]
LABELS: tuple[Label, ...] = ("entailment", "neutral", "contradiction")
"""The order of every score's columns."""

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)

EntailmentScores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NliPair:
    """Two texts, neither blank; whether the second follows from the first is the question."""

    premise: str
    hypothesis: str

    def __post_init__(self) -> None:
        for name, text in (("premise", self.premise), ("hypothesis", self.hypothesis)):
            if not text.strip():
                raise InvalidInput(
                    f"The {name} of a pair is blank.", "Leave out what has no text before it is scored."
                )


class NliScorer(Protocol):
    """Something that scores pairs. One call at a time."""

    @property
    def name(self) -> str:
        """For people: which model scores."""

    @property
    def identity(self) -> str:
        """Hex digest of everything that determines the scores: weights or a revision, prompt, limits."""

    @property
    def truncated(self) -> int:
        """Distinct pairs cut to the scorer's limit so far, over all calls."""

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        """Probabilities, float64 (n, 3), columns as `LABELS`, rows summing to 1; (0, 3) for no pairs.

        Equal pairs are scored once.

        Raises:
            Cancelled: `should_stop` turned true before all were scored.
            EngineFailure: the model failed, or computes NaN.
        """


def distinct(pairs: Sequence[NliPair]) -> tuple[list[NliPair], npt.NDArray[np.intp]]:
    """The different pairs as they first come up, and for each of `pairs` its place among them."""
    places: dict[NliPair, int] = {}
    index = [places.setdefault(pair, len(places)) for pair in pairs]
    return list(places), np.array(index, dtype=np.intp)


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of `size` that cover `count` things; the last may be shorter."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
