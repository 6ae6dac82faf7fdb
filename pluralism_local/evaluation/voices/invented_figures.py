"""The numbers of a comment that nobody told it.

text, what it may know ──invented_figures──> those that are in neither
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# "1." and "2)" at the beginning of a line count its points and say nothing of the world
_LIST_MARK = re.compile(r"^[ \t]*[(\[]?\d{1,2}[.)\]](?=\s|$)", re.MULTILINE)
_FIGURE = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


def invented_figures(text: str, sources: Iterable[str]) -> list[str]:
    """The numbers in digits that stand in the text and in none of the sources, in order, each once.

    Marks of lists are no numbers; "1,000" and "1000" are the same.
    """
    told = {figure for source in sources for figure in _figures(source)}
    return [figure for figure in dict.fromkeys(_figures(text)) if figure not in told]


def _figures(text: str) -> list[str]:
    return [figure.replace(",", "") for figure in _FIGURE.findall(_LIST_MARK.sub(" ", text))]
