"""Sentences of an answer that say whose they are.

    Position ──lead──> "Most voices hold that "  …the LLM's words, by Sentence…  ──marks──> " [press-left]"

The lead and the marks are written here, so that no count and no name in them is a model's. What the LLM writes between
them is mended where it begins as if the lead did not stand there, and ended where it was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pluralism_local.positions.claims import ENDS
from pluralism_local.results import Position, Window

_HELD = 40
"""Characters of a sentence, at least, that are read before it is shown: it may repeat what stands before it."""

_REPEATED = re.compile(
    r"^(?:[\w-]+(?:, [\w-]+){0,11}(?: and [\w-]+)?\s+)"
    r"(?:(?:of )?(?:the |these )?(?:voices?|speakers?|comments?|supporters|alone)\s+)?"
    r"(?:holds?|argues?|says?|believes?|thinks?|claims?|agrees?|supports?)\s+that\s+",
    re.IGNORECASE,
)
_SMALL = """
a all an and any as at both but by each every everyone for from he her his if in it its many most no nobody of on our
she since some that the their there these they this those to we what when where while who with without you your
"""
_FUNCTION_WORDS = frozenset(_SMALL.split())
_NUMBERS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def lead(position: Position, window: Window) -> str:
    """How many hold the position, as the beginning of a sentence; a minority is called so, by its names."""
    supporters, total = position.supporters, len(window.voices)
    count = len(supporters)
    if total == 1:
        return f"{supporters[0]} holds that "
    if count == total:
        return "Both voices hold that " if total == 2 else f"All {spelled(total)} voices hold that "
    if count == 1:
        return f"Only {supporters[0]} holds that "
    if 2 * count > total:
        return f"Most voices, {spelled(count)} of {spelled(total)}, hold that "
    if 2 * count == total:
        return f"Half of the voices, {joined(supporters)}, hold that "
    return f"A minority, {joined(supporters)}, holds that "


def marks(voices: Iterable[str]) -> str:
    """`` [press-left, speech-right]``."""
    return f" [{', '.join(voices)}]"


def joined(names: Iterable[str]) -> str:
    """``"a, b and c"``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def spelled(count: int) -> str:
    """A small number as a word."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def small_words(texts: Iterable[str]) -> frozenset[str]:
    """Words that the texts write small somewhere: at the beginning of a sentence they are no names."""
    return frozenset(word for text in texts for word in re.findall(r"\b[^\W\d_]+", text) if word.islower())


class Sentence:
    """A sentence that comes in pieces, and what of it may be shown already.

    Args:
        before: what stands before it.
        small: words that begin small there.
        instead: what stands there if nothing comes.

    Attributes:
        text: what was shown.
    """

    def __init__(self, before: str, small: frozenset[str], instead: str) -> None:
        self._before, self._small, self._instead = before, small, instead
        self._waiting = ""
        self.text = ""

    def add(self, piece: str) -> str:
        """What more of the sentence can be shown now that `piece` came."""
        self._waiting += piece
        if not self.text and len(self._waiting) < max(_HELD, len(self._before) + 8):
            return ""
        return self._release()

    def end(self, *, cut: bool) -> str:
        """The rest, with an end if it has none; `cut`: for lack of room it has none."""
        rest = self._release()
        if not self.text.strip():
            self._waiting, cut = self._instead, False
            rest = self._release()
        ending = "" if self.text.rstrip().endswith(ENDS) else "…" if cut else "."
        self.text = self.text.rstrip() + ending
        return rest.rstrip() + ending

    def _release(self) -> str:
        piece, self._waiting = self._waiting, ""
        if not self.text:
            piece = opening(piece.lstrip(), self._before, self._small)
        self.text += piece
        return piece


def mended(text: str, before: str, small: frozenset[str], instead: str, *, cut: bool) -> str:
    """A whole sentence at once, as `Sentence` shows it."""
    sentence = Sentence(before, small, instead)
    return sentence.add(text) + sentence.end(cut=cut)


def opening(text: str, before: str, small: frozenset[str]) -> str:
    """`text` as it goes on from `before`: without a repetition of it, and small where its first word is no name."""
    head = before.strip()
    if head and text.lower().startswith(head.lower()):
        text = text[len(head) :].lstrip(" :,")
    text = _REPEATED.sub("", text)
    if text.lower().startswith("that "):
        text = text[5:]
    word = re.match(r"[^\W\d_]+", text)
    if before and word and word[0][0].isupper() and word[0].lower() in small | _FUNCTION_WORDS:
        text = text[0].lower() + text[1:]
    return text
