"""Text from strangers that is what it looks like: no control characters, nothing invisible, nothing that turns lines.

    text ──plain──> text, stripped | ValueError: which character, and where

A card's texts are shown in terminals and tables and given to models. An invisible character makes two names look alike
or carries words that a reader cannot see, and U+202E turns what stands beside it around.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them between their letters
# characters that show nothing, though Unicode does not class them as format characters
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2028\u2029\u2800\u3164\uffa0\U000e0000-\U000e0fff]"
)


def plain(text: str) -> str:
    """`text` without white space around it.

    Raises:
        ValueError: it is empty, or has a control or an invisible character.
    """
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category == "Cc" and character not in "\n\t":
            raise ValueError(f"the control character {character!r} is not allowed")
        if (category == "Cf" and not _joins(text, place)) or _BLANK.match(character):
            name = unicodedata.name(character, "without a name").lower()
            raise ValueError(
                f"the invisible character U+{ord(character):04X} ({name}) is not allowed; it stands after "
                f"{text[max(0, place - 20) : place]!r}"
            )
    if not text.strip():
        raise ValueError("the text is empty")
    return text.strip()


def plain_line(text: str) -> str:
    """The same on one line: line breaks are spaces.

    Raises:
        ValueError: as `plain`.
    """
    return " ".join(plain(text).split())


def _joins(text: str, place: int) -> bool:
    """Whether the joiner at `place` stands between two characters of scripts that have it."""
    beside = (text[place - 1 : place], text[place + 1 : place + 2])
    return text[place] in _JOINERS and all(
        character and not character.isascii() and not character.isspace() for character in beside
    )


Text = Annotated[str, AfterValidator(plain)]
Line = Annotated[str, Field(max_length=120), AfterValidator(plain_line)]
