"""A text's sentences, for entailment sentence by sentence.

    text ──lines, list items──> line ──sentence ends──> pieces ──bare markers join the next──> sentences

Rules, not a model: a list of English abbreviations and a few looks at the words around a full stop. Every character
but white space survives, in order. Nothing fails; a blank text has no sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BULLETS = "•◦▪‣●"
_ITEM = re.compile(rf"\s+(?=[{_BULLETS}])")

# a run of end marks, closing quotes and brackets (and Markdown's emphasis), white space. Never from the middle of a
# run, so that a text of nothing but dots takes linear time.
_END = re.compile(r"(?<![.!?…])([.!?…]+)([\"'”’»)\]*_]*)(?=\s)")
_OPENING = r"\"'“‘«(\[*_—–/"
_NEXT = re.compile(rf"[\s{_OPENING}]*(\w*)")
_TOKEN_START = re.compile(rf"[{_OPENING}]")

_ACRONYM = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")  # U.S, Ph.D, D.C: without the last full stop
_MARKER = re.compile(r"\d{1,3}|[a-zA-Z]|[ivx]{1,4}")  # 1, a, iv: of a list
_BARE_MARKER = re.compile(rf"\W*(?:{_MARKER.pattern})[.)\]]\W*")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# never the end of a sentence
_TITLES = _words(
    "mr mrs ms messrs dr prof rev hon sen rep gov gen col lt sgt capt cpt cmdr adm maj st pres supt mt "
    "vs v e.g i.e eg ie cf viz approx esp incl"
)
# not before a number
_NUMBERED = _words(
    "no nos art arts sec ch fig figs eq p pp vol vols para par ed est "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
# not before a small letter
_SOFT = _words("etc al inc ltd co corp bros jr sr dept est sq ft min max a.m p.m univ assn ave blvd")
# words that begin a sentence even after an acronym or an initial: "in the U.S. The law"
_STARTERS = _words(
    "The This That These Those It He She They We You His Her Their Our There However But And If In While Although "
    "Some Many Others As When What Who Why How Also Therefore Moreover Furthermore Additionally"
)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, each without white space around it and never empty.

    A sentence ends at ``.``, ``!``, ``?`` or ``…`` with the closing quotes and brackets that follow, at the end of a
    line, and before a bullet. A full stop ends none after common abbreviations (Mr., e.g., vs.; U.S. and initials
    unless a word like "The" follows; No. before a number) and after the number of a list item; ``…``, and an end mark
    inside quotes or brackets, end none before a small letter. A number or bullet on a line of its own, and other
    pieces without letters, go with the next sentence.

    Args:
        text: plain text or Markdown, English.

    Returns:
        Joined, they are `text` but for white space; [] for a blank text.
    """
    pieces = [
        piece for line in text.splitlines() for item in _ITEM.split(line) for piece in _pieces(item) if piece
    ]
    return _joined(pieces)


def _pieces(line: str) -> Iterator[str]:
    """`line` cut after every sentence end in it; pieces may be empty."""
    start = 0
    for end in _END.finditer(line):
        following = _NEXT.match(line, end.end())
        word = following[1] if following else ""
        if _is_end(line[start : end.start()], end[1], end[2], word):
            yield line[start : end.end()].strip()
            start = end.end()
    yield line[start:].strip()


def _is_end(before: str, marks: str, closing: str, following: str) -> bool:
    """Whether `marks` end the sentence `before`, given the next word."""
    continues = following[:1].islower()
    if marks == ".":
        return not _is_abbreviated(before, following) and not (closing and continues)
    if set(marks) <= {".", "…"} or closing:
        return not continues
    return True


def _is_abbreviated(before: str, following: str) -> bool:
    """Whether the full stop after `before` belongs to its last word."""
    words = before.rsplit(maxsplit=1)
    if not words:
        return True  # a full stop alone ends nothing
    token = _TOKEN_START.split(words[-1])[-1]
    if _is_marker(token, words[0] if len(words) > 1 else ""):
        return True
    lower = token.lower()
    if lower in _TITLES:
        return True
    if lower in _NUMBERED and following[:1].isdigit():
        return True
    if lower in _SOFT:
        return following[:1].islower()
    if _ACRONYM.fullmatch(token) or (len(token) == 1 and token.isupper()):
        return following not in _STARTERS
    return False


def _is_marker(token: str, earlier: str) -> bool:
    """Whether `token` numbers a list item: it begins the sentence, or is a number after a colon."""
    if not _MARKER.fullmatch(token):
        return False
    if earlier.endswith((":", ";")):
        return token.isdigit()
    return not any(character.isalnum() for character in earlier)


def _joined(pieces: list[str]) -> list[str]:
    """Pieces that say nothing by themselves go with the next one, the last of them with the one before."""
    parts: list[str] = []
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if _says_something(piece):
            parts.append(" ".join(waiting))
            waiting = []
    if not waiting:
        return parts
    last = [*parts[-1:], *waiting]
    return [*parts[:-1], " ".join(last)]


def _says_something(piece: str) -> bool:
    return any(character.isalnum() for character in piece) and not _BARE_MARKER.fullmatch(piece)
