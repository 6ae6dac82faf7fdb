"""From what a person types to what SQLite is asked, and the words around what was found.

text ──split at white space──> words, all of which one turn (or the title) must contain, in upper or lower case
   3 characters and more ──> the index, quoted, so that nothing in them means anything to SQLite
   1 or 2                ──> every text is looked through
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pluralism_local.history.values import storable

_WIDTH = 90
_INDEXED = 3
_WORD = re.compile(r'"([^"]*[^"\s][^"]*)"(?!\S)|(\S+)')


def words(text: str) -> tuple[str, ...]:
    """What is looked for; empty for blank text. A quote that nothing closes is a character like any other."""
    return tuple((phrase or word).strip() for phrase, word in _WORD.findall(storable(text)))


def contains(text: str, word: str) -> bool:
    """Whether `word` occurs in `text`, however written."""
    return word.casefold() in text.casefold()


def condition(search_words: Sequence[str]) -> tuple[str, list[str]]:
    """An SQL condition on `conversation`, and its parameters; `search_words` is not empty."""
    in_turn, parameters = [], []
    long = [word for word in search_words if len(word) >= _INDEXED]
    if long:
        in_turn.append("id IN (SELECT rowid FROM turn_words WHERE turn_words MATCH ?)")
        parameters.append(" AND ".join(_quoted(word) for word in long))
    for word in search_words:
        if len(word) < _INDEXED:
            in_turn.append("(contains(prompt, ?) OR contains(answer, ?) OR contains(comments, ?))")
            parameters += [word] * 3
    in_title = " AND ".join(["contains(title, ?)"] * len(search_words))
    in_texts = f"key IN (SELECT conversation FROM turn WHERE {' AND '.join(in_turn)})"
    return f"({in_texts} OR {in_title})", [*parameters, *search_words]


def _quoted(word: str) -> str:
    """A string of FTS5's query language."""
    doubled = word.replace('"', '""')
    return f'"{doubled}"'


def snippet(texts: Iterable[str], search_words: Sequence[str]) -> str:
    """One line around the first of `search_words` in the first text that has it, else the first text's beginning."""
    beginning = ""
    for text in texts:
        beginning = beginning or _line(text[: 4 * _WIDTH])
        for word in search_words:
            match = re.search(re.escape(word), text, re.IGNORECASE)
            if match:
                return _around(text, match.start(), match.end())
    return _cut(beginning)


def _around(text: str, start: int, end: int) -> str:
    before = _line(text[max(0, start - _WIDTH) : start])
    room = _WIDTH // 3
    if len(before) > room or start > _WIDTH:
        _, _, before = before[-room:].partition(" ")
        before = f"…{before}"
    blank = " " if text[:start][-1:].isspace() and not before.endswith("…") else ""
    return _cut(before + blank + _line(text[start : end + 4 * _WIDTH]))


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1].rstrip()}…"
