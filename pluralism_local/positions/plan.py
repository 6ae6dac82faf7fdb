"""What is decided before positions are looked for: who tells the claims, who tells the stances, and what for.

LLM, scorer, what is asked for ──modes.positions.carrying──> PositionPlan ──> the algorithm
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pluralism_local.results import Finder, StanceMethod


@dataclass(frozen=True, slots=True)
class PositionPlan:
    """How the positions of the comments are looked for.

    Attributes:
        attributed: the answer is built from them; otherwise they are looked for when it is there.
        finder: whence the claims are.
        method: who tells whether a comment supports a claim.
        scores: whether there is a scorer of entailment, which also tells what says the same.
        grammars: those that the LLM takes, see `engine.base.Capabilities`.
        window: whether those of the comments are looked for.
        draws: comments of every community whose positions are counted, 0 for none.
    """

    attributed: bool
    finder: Finder
    method: StanceMethod
    grammars: Literal["gbnf", "json", "none"]
    scores: bool = False
    window: bool = True
    draws: int = 0

    @property
    def tells(self) -> bool:
        """Whether the LLM says what the comments claim."""
        return self.window and self.finder == "llm"
