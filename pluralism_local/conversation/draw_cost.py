"""What drawing comments will cost, said before it is spent.

Ask ──DrawCost.of──> comments, tokens, comparisons at most ──sentence──> for people
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pluralism_local.modes import Ask


@dataclass(frozen=True, slots=True)
class DrawCost:
    """Attributes:
    comments: of all communities, those included that any ask has.
    tokens: that they may take at most.
    comparisons: of two comments' beginnings, sentence by sentence, at most.
    """

    comments: int
    tokens: int
    comparisons: int

    @classmethod
    def of(cls, task: Ask) -> DrawCost:
        """The cost of an ask that draws comments."""
        comments = task.draws * (0 if task.pool is None else len(task.pool.members))
        return cls(comments, comments * task.comment.max_tokens, 2 * comments * (comments - 1))

    @property
    def sentence(self) -> str:
        """``"48 comments of together at most 9,600 tokens, and at most 4,512 comparisons"``."""
        return (
            f"{self.comments:,} comments of together at most {self.tokens:,} tokens, and at most "
            f"{self.comparisons:,} comparisons"
        )
