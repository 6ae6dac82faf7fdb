"""What is said where a model thought and did not answer."""

from __future__ import annotations


def only_thought(max_tokens: int, *, cut: bool, option: str = "--max-tokens") -> str:
    """A sentence; `cut`: its `max_tokens` were used up, which `option` sets."""
    if cut:
        return (
            f"The model only thought and came to no answer within {max_tokens:,} tokens: raise {option}, or use a "
            "model that does not think first."
        )
    return "The model only thought and gave no answer: ask again, or use a model that does not think first."
