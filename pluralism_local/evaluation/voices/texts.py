"""What can be told of a comment from its words alone.

text ──repeats──> whether any eight words come twice in a row of the same order
text, what it may know ──invented_figures──> the numbers that nobody told it
text ──words──> its length
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NGRAM = 8

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# "1." and "2)" at the beginning of a line count its points and say nothing of the world
_LIST_MARK = re.compile(r"^[ \t]*[(\[]?\d{1,2}[.)\]](?=\s|$)", re.MULTILINE)
_FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def words(text: str) -> list[str]:
    """The words of a text in lower case, numbers included, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def repeats(text: str, size: int = NGRAM) -> bool:
    """Whether any `size` words in a row come twice in the text, overlapping or not."""
    spoken = words(text)
    grams = [tuple(spoken[start : start + size]) for start in range(len(spoken) - size + 1)]
    return len(set(grams)) < len(grams)


def invented_figures(text: str, sources: Iterable[str]) -> list[str]:
    """The numbers in digits that stand in the text and in none of the sources, in order, each once.

    Marks of lists are no numbers; "1,000" and "1000" are the same.
    """
    told = {figure for source in sources for figure in _figures(source)}
    return [figure for figure in dict.fromkeys(_figures(text)) if figure not in told]


def _figures(text: str) -> list[str]:
    return [figure.replace(",", "") for figure in _FIGURE.findall(_LIST_MARK.sub(" ", text))]
