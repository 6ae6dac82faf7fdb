"""Which claims say the same: those with nearly the same words, and those that entail each other.

    agrees [n, n] ──clusters──> groups of places, each led by its first text
    claim, claim ──overlap──> [0, 1] ──are_same_words──> whether they are one

A text joins the first group whose leader it agrees with. That is no closure over all: the second text of a group may
say a little else than the third, but every text says what its leader says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pluralism_local.content_words import content_words
from pluralism_local.sentences import sentences

SAME_WORDS = 0.8
"""Overlap from which on two claims are the same for their words alone."""

ALIKE = 0.5
"""Overlap, beside the question's words, from which on a claim adds nothing to another that all its voices hold, too."""

_NEGATION = re.compile(
    r"\b(?:no|not|never|nobody|none|neither|nor|without|cannot|against)\b|n['’]t\b", re.IGNORECASE
)


def clusters(count: int, agrees: Callable[[int, int], bool]) -> list[list[int]]:
    """Groups of the places 0 … count - 1, each in order, the groups in the order of their leaders.

    Args:
        agrees: whether the texts at two places, the smaller one first, say the same.
    """
    groups: list[list[int]] = []
    for place in range(count):
        for group in groups:
            if agrees(group[0], place):
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def overlap(a: str, b: str, beside: str = "") -> float:
    """Content words in common, as a share of all that either has (Jaccard's index), in [0, 1]; 0 for two without any.

    Two texts of which one denies and the other does not have none in common: "should" and "should not" say opposite
    things in the same words.

    Args:
        beside: a question that both are about: its words are not counted.
    """
    return 0.0 if _denials(a) % 2 != _denials(b) % 2 else _overlap(a, b, beside)


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    """Its content words; kept, since every text is compared with many."""
    return frozenset(content_words(text))


def _overlap(a: str, b: str, beside: str = "") -> float:
    words, others = _words(a) - _words(beside), _words(b) - _words(beside)
    return len(words & others) / len(words | others) if words | others else 0.0


def _denials(text: str) -> int:
    return len(_NEGATION.findall(text))


def are_same_words(a: str, b: str) -> bool:
    """Whether two claims say the same in nearly the same words."""
    return overlap(a, b) >= SAME_WORDS


def deny_each_other(a: str, b: str) -> bool:
    """Whether two claims say opposite things in nearly the same words."""
    return _denials(a) % 2 != _denials(b) % 2 and _overlap(a, b) >= SAME_WORDS


def says_in_words(text: str, claim: str) -> bool:
    """Whether one sentence of a text has nearly all content words of a claim, and denies as much or as little."""
    words = _words(claim)
    return any(
        len(words & _words(sentence)) >= SAME_WORDS * max(1, len(words))
        and _denials(sentence) % 2 == _denials(claim) % 2
        for sentence in sentences(text)
    )


def share_a_word(a: str, b: str) -> bool:
    """Whether two texts have any content word in common; also where one of them has none, which tells nothing."""
    words, others = _words(a), _words(b)
    return not words or not others or not words.isdisjoint(others)
