"""The words of a text that carry meaning, folded so that forms of one word are the same.

    text ──small letters──> words ──without function words──> ──without an English ending──> content words

Words lose a plural or verb ending of English; other languages work word by word. Nothing fails.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_ENDINGS = ("ing", "ies", "ed", "es", "s")
_SHORTEST = 3
"""Letters that a word keeps."""

_BEGINNING = 5
"""Letters in which forms of a word agree that differ by more than an ending: distract, distraction."""

_DOUBLED = "bdgmnprt"
"""Consonants that are doubled before an ending: banned, stopping."""

_STOP = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below between both
    but by can cannot could did do does doing down during each few for from further had has have having he her here
    hers him his how i if in into is it its itself just may me might more most must my no nor not now of off on once
    only or other our ours out over own same shall she should so some such than that the their theirs them then there
    these they this those through to too under until up us very was we were what when where which while who whom why
    will with would you your yours it's there's that's
    """.split()  # noqa: SIM905 - sixty quotation marks would not help
)


def content_words(text: str) -> list[str]:
    """The words that carry meaning, folded."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    return [_stem(word) for word in words if word not in _STOP and not word.endswith("n't")]


def is_english(text: str) -> bool:
    """Whether at least one in six words of a text is a function word of English: of other languages hardly any are."""
    words = _WORD.findall(text.lower().replace("’", "'"))
    return 6 * sum(word in _STOP for word in words) >= len(words) > 0


def is_made_of(text: str, source: str) -> bool:
    """Whether at least half of the content words of `text` stand in `source`; also where it has none.

    A word of a script that sets none apart stands there if half of its pairs of characters do.
    """
    source_words, small_letters = set(content_words(source)), source.lower()
    stand_there = [word in source_words or _is_in_pieces(word, small_letters) for word in content_words(text)]
    return 2 * sum(stand_there) >= len(stand_there)


def speaks_of(text: str, claim: str, question: str) -> bool:
    """Whether a text has a word of what a claim adds to the question, or one that begins like it.

    Also where a claim adds none.
    """
    return spoken_share(text, claim, question) > 0


def spoken_share(text: str, claim: str, beside: str) -> float:
    """Of the words that a claim adds to another text, the share that `text` has, or words that begin like them.

    1 where a claim adds none. A word of a script that sets none apart is there if half of its pairs of characters are.
    """
    words, beginnings, small_letters = (
        _beginnings(claim) - _beginnings(beside),
        _beginnings(text),
        text.lower(),
    )
    if not words:
        return 1.0
    return sum(word in beginnings or _is_in_pieces(word, small_letters) for word in words) / len(words)


@lru_cache(maxsize=256)
def _beginnings(text: str) -> frozenset[str]:
    return frozenset(word[:_BEGINNING] for word in content_words(text))


def _is_in_pieces(word: str, source: str) -> bool:
    if word.isascii() or word[0].isascii():
        return False
    pairs = [word[place : place + 2] for place in range(len(word) - 1)]
    return bool(pairs) and 2 * sum(pair in source for pair in pairs) >= len(pairs)


def _stem(word: str) -> str:
    """What forms of a word have in common: phone, phones; ban, bans, banned; policy, policies."""
    if word.endswith("ss"):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST:
            word = word.removesuffix(ending)
            break
    while len(word) > _SHORTEST and word[-1] in "ey":
        word = word[:-1]
    return word[:-1] if len(word) > _SHORTEST and word[-1] == word[-2] and word[-1] in _DOUBLED else word
