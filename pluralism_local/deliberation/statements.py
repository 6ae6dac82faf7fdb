"""Statements as models write them, made fit to stand alone.

    a voice's words ──tidy_statement──> at most two sentences        texts ──proposed──> each once, and whose it is

Nothing fails: what holds no statement gives an empty one, which is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pluralism_local.positions.claims import impersonal
from pluralism_local.sentences import sentences

MOST_SENTENCES = 2
_LABEL = re.compile(r"^[\W_]*(?:(?:my|our|final|common|one) )?statement\b[\W_]*:[\W_]*", re.IGNORECASE)
_QUOTES = "\"'“”„«»*_` "
_ENDS = (".", "!", "?", "…", "。", '"', "”", ")", "]")


def tidy_statement(text: str) -> str:
    """The first two sentences of the first line that holds any, without a label, quotation marks and who speaks.

    A second sentence that was cut off in the middle is left out; a first one stays as far as it goes.
    """
    for line in text.splitlines():
        bare = _LABEL.sub("", line.strip()).strip(_QUOTES)
        parts = sentences(impersonal(bare))[:MOST_SENTENCES]
        if len(parts) == MOST_SENTENCES and not parts[1].rstrip().endswith(_ENDS):
            parts = parts[:1]
        if statement := " ".join(" ".join(parts).split()):
            return statement
    return ""


def proposed(texts: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """By statement who proposed it, from (voice, text) in order; blank ones are left out.

    Statements that differ in capitals, white space or full stops alone are one.
    """
    first: dict[str, str] = {}
    by: dict[str, tuple[str, ...]] = {}
    for voice, text in texts:
        statement = tidy_statement(text)
        words = " ".join(re.findall(r"\w+", statement.lower()))
        if not words:
            continue
        written = first.setdefault(words, statement)
        by[written] = (*by.get(written, ()), voice)
    return by
