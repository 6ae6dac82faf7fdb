"""How far a mode is where it neither writes nor chooses: an event among those of `results`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PositionsProgress:
    """The positions of the comments are being looked for: `done` of `total` comparisons of a text with a claim.

    Both are 0 while the claims themselves are told. There may be several rounds of comparisons.
    """

    done: int
    total: int

    @property
    def line(self) -> str:
        """``"positions: 12 of 42 comparisons"``, for where it is told how far it is."""
        if not self.total:
            return "positions: looking for claims …"
        return f"positions: {self.done} of {self.total} comparisons"


@dataclass(frozen=True, slots=True)
class DrawsProgress:
    """Further comments are being drawn: `done` of `total`. Once all are there they are compared."""

    done: int
    total: int

    @property
    def line(self) -> str:
        """``"draws: 12 of 42 comments"``, for where it is told how far it is."""
        if self.done == self.total:
            return "draws: comparing the comments …"
        return f"draws: {self.done} of {self.total} comments"


@dataclass(frozen=True, slots=True)
class LeaningsProgress:
    """What each persona says to any question is being measured: `done` of `total` voices, once for a model."""

    done: int
    total: int

    @property
    def line(self) -> str:
        """``"sides: the habits of 2 of 6 voices, once for this model"``, for where it is told how far it is."""
        return f"sides: the habits of {self.done} of {self.total} voices, once for this model"


@dataclass(frozen=True, slots=True)
class ValuesProgress:
    """Values are being looked for: `done` of `total` that are listed have come as far as `stage`.

    Both are 0 in the stages that take them all at once.
    """

    stage: Literal["listing", "relevance", "merging", "valence", "reasons"]
    done: int = 0
    total: int = 0

    @property
    def line(self) -> str:
        """``"values: relevance of 8 of 15"``, for where it is told how far it is."""
        return (
            f"values: {self.stage} of {self.done} of {self.total}"
            if self.total
            else f"values: {self.stage} …"
        )
