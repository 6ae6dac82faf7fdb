"""What the readers of lists share: the list itself, its alphabets, and the look of running text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

_CYRILLIC = "АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЭЮЯ"
_GREEK = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
_LOOKALIKES = "АВСDЕ"  # Cyrillic А, В, С and Е typed for Latin A, B, C and E
_NUMBERS = tuple(str(number) for number in range(100))
ALPHABETS: tuple[Sequence[str], ...] = (
    ascii_uppercase,
    ascii_lowercase,
    _NUMBERS[1:],
    _NUMBERS,
    _CYRILLIC,
    _CYRILLIC.lower(),
    _LOOKALIKES,
    _LOOKALIKES.lower(),
    _GREEK,
    _GREEK.lower(),
)

PLAIN = str.maketrans(
    {
        chr(0xFEE0 + code): chr(code)
        for code in (*b"0123456789().:?!", *map(ord, ascii_uppercase + ascii_lowercase))
    }
    | {"\u3000": " ", "、": ".", "。": ".", "؟": "?", "\u00a0": " "}
)
"""Full-width forms as ASCII, one character for one: places in the one text are places in the other."""

# the look of running text: a sentence ends and another begins, or a part ends in what goes on
TWO_SENTENCES = re.compile(r"[^\W\d_][a-zа-я)][.?!…][\"'”’»)\]]*\s+[^\W\d_a-z]")
GOES_ON = re.compile(r"(?:[,;&]|\S\s+(?:and|or|with|by|of|und|oder|et|ou|или))$", re.I)


@dataclass(frozen=True, slots=True)
class OptionList:
    """A list in a text.

    Attributes:
        options: the entries' texts, at least two.
        start, end: where it begins and ends in the text.
        plain: whether its letters stand as they are weighed: capital Latin letters in one of the forms ``A.``, ``A)``,
            ``A:``, ``(A)``.
        firm: whether it is one wherever it stands; numbers, bullets and speakers are options only at the text's end.
        labels: what stands before each entry; empty for bullets.
    """

    options: tuple[str, ...]
    start: int
    end: int
    plain: bool
    firm: bool
    labels: tuple[str, ...] = ()

    @property
    def beginning(self) -> str:
        """For messages: ``"1. Yes …"``."""
        first = self.options[0]
        label = f"{self.labels[0]} " if self.labels else "- "
        return f"{label}{first if len(first) <= 30 else first[:29] + '…'} …"
