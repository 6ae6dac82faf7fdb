"""Texts and numbers as people are shown them: one line, no control characters, bars of blocks.

"a\x1b[2Jb\n c" ──one_line──> "ab c"        0.5417 ──percent──> "54.2 %"        0.5 ──bar──> "▇▇▇▇▇     "

Widths are terminal cells: a CJK character takes two.
"""

from __future__ import annotations

import math
import re
from typing import cast

BLOCK = "▇"
LONGEST_SHOWN = 4_000
"""Characters of a prompt that a transcript shows; a pasted book would make every scroll slow."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """`text` without control characters other than newline and tab."""
    return _CONTROL.sub("", text)


def flat(text: str) -> str:
    """`text` without line breaks and characters that turn the direction of writing; its spaces stay, as in a path."""
    return _DIRECTION.sub("", clean(text)).translate({ord("\n"): " ", ord("\t"): " "})


def cells(text: str) -> int:
    """How wide `text` is."""
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len  # not needed for --help

    return cell_len(text)


def one_line(text: str, width: int | None = None) -> str:
    """`text` on one line, cut at `width` between words where there are some.

    Characters that turn the direction of writing are dropped: they would turn what stands beside the text, too.
    """
    line = " ".join(_DIRECTION.sub("", clean(text)).split())
    if width is None or cells(line) <= width:
        return line
    if width < 2:
        return line[:width] if line.isascii() else ""
    from rich.cells import set_cell_size

    cut = set_cell_size(line, width - 1)
    head, space, _ = cut.rpartition(" ")
    return f"{(head if space and cells(head) > width // 2 else cut).rstrip(' …')}…"


def padded(text: str, width: int) -> str:
    """`text`, cut or filled to exactly `width`."""
    short = one_line(text, width)
    return short + " " * max(0, width - cells(short))


def beginning(text: str, most: int = LONGEST_SHOWN) -> str:
    """`text`, or its first `most` characters and how many there are."""
    text = clean(text)
    return text if len(text) <= most else f"{text[:most].rstrip()}… ({len(text):,} characters)"


def percent(p: float) -> str:
    """``54.2 %``."""
    return f"{100 * p:.1f} %"


def bar(p: float, width: int, block: str = BLOCK) -> str:
    """`p` in [0, 1] as at most `width` blocks; anything above zero shows at least one."""
    return block * (max(1, round(p * width)) if p > 0 else 0)


def tokens(count: int, *, short: bool = False) -> str:
    """``1,234``; short ``1.2k``."""
    return f"{count / 1000:.1f}k" if short and count >= 1000 else f"{count:,}"


def many(count: int, thing: str, things: str = "") -> str:
    """``"1 row"``, ``"1,200 rows"``; `things` where an s does not make the plural."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def size(file_bytes: int | None) -> str:
    """``1.2 GB``, ``92 MB``, ``12 kB``; ``-`` for None."""
    return "-" if file_bytes is None else _in_units(file_bytes, 1)


def transfer_size(count: int) -> str:
    """``4.37 GB``, ``98 MB``, ``12 kB``: of what is fetched or sent, with a digit more than `size`."""
    return _in_units(count, 2)


def _in_units(count: int, decimals: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:.{decimals}f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{-(-count // 1000)} kB"


def finite(value: object) -> float | None:
    """`value` if it is a finite number; None for all else, also for a whole number too large for a float."""
    if type(value) not in (int, float):
        return None
    try:
        number = float(cast(float, value))
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def duration(seconds: float) -> str:
    """``"1:05:09"`` or ``"5:09"``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
