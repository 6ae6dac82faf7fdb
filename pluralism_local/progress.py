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
