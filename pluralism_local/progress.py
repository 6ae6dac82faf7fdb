"""How far a mode is where it neither writes nor chooses: an event among those of `results`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PositionsProgress:
    """The positions of the comments are being looked for: `done` of `total` comparisons of a text with a claim.

    Both are 0 while the claims themselves are listed. There may be several rounds of comparisons.
    """

    done: int
    total: int

    @property
    def line(self) -> str:
        """``"positions: 12 of 42 comparisons"``, for where it is told how far it is."""
        if not self.total:
            return "positions: looking for claims …"
        return f"positions: {self.done} of {self.total} comparisons"
