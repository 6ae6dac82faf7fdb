"""Whether a text says again what it has said: eight words in a row that come twice.

text ──words──> in lower case, without punctuation ──repeats──> whether any eight in a row come twice
"""

from __future__ import annotations

import re

NGRAM = 8

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def repeats(text: str, size: int = NGRAM) -> bool:
    """Whether any `size` words in a row come twice in the text, overlapping or not."""
    spoken = words(text)
    grams = [tuple(spoken[start : start + size]) for start in range(len(spoken) - size + 1)]
    return len(set(grams)) < len(grams)
