"""The matrix of a window: positions × voices, for terminals and for documents.

    Window ──text──> lines of at most `width` cells, a page for every twelve voices        ──markdown──> a table

● supports, ○ opposes, · says nothing of it; + - . where a terminal has no such characters. The last column tells
whether the answer states the position. A voice has its letter, in the pool's order, wherever its window is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from pluralism_local.display.figures import cells, clean, one_line, padded
from pluralism_local.display.markdown import inline
from pluralism_local.results import Position, Stance, Window

SIGNS: dict[Stance, str] = {"supports": "●", "opposes": "○", "silent": "·"}
PLAIN: dict[Stance, str] = {"supports": "+", "opposes": "-", "silent": "."}
PAGE = 12
"""Voices side by side, where there is room for so many."""

_LAST = "answer"
_NARROWEST = 16


def letters(voices: Iterable[str]) -> dict[str, str]:
    """By voice its letter: a to z, then aa, ab …"""
    return {voice: _letter(place) for place, voice in enumerate(voices)}


def _letter(place: int) -> str:
    return ("" if place < 26 else _letter(place // 26 - 1)) + chr(ord("a") + place % 26)


def signs(*, unicode: bool = True) -> dict[Stance, str]:
    """What stands for each stance."""
    return SIGNS if unicode else PLAIN


def legend(*, unicode: bool = True) -> str:
    """What the signs mean, in one line."""
    return "   ".join(f"{sign} {stance}" for stance, sign in signs(unicode=unicode).items())


def stated(position: Position) -> str:
    """The last column: whether the answer states the position; "?" where nobody looked."""
    return {True: "yes", False: "no", None: "?"}[position.in_answer]


def text(window: Window, width: int = 80, *, unicode: bool = True) -> list[str]:
    """Lines of at most `width` cells (40 at least), without colour; none for a window without positions."""
    if not window.positions:
        return []
    named = letters(window.voices)
    column = max(map(len, named.values()), default=1)
    room = width - len(str(len(window.positions))) - 1 - _NARROWEST - 4 - len(_LAST)
    size = max(1, min(PAGE, (room + 1) // (column + 1)))
    pages = [window.voices[start : start + size] for start in range(0, len(window.voices), size)]
    lines: list[str] = []
    for voices in pages:
        if lines:
            lines.append("")
        lines += _page(
            window.positions, {voice: named[voice] for voice in voices}, width, signs(unicode=unicode)
        )
    return [
        *lines,
        "",
        *flowing([f"{letter} {one_line(voice)}" for voice, letter in named.items()], width),
        legend(unicode=unicode),
    ]


def _page(
    positions: Sequence[Position], named: dict[str, str], width: int, drawn: dict[Stance, str]
) -> Iterator[str]:
    """The head, and each position in as many lines as its text needs."""
    column = max(map(len, named.values()))
    head = " ".join(letter.rjust(column) for letter in named.values())
    number = len(str(len(positions)))
    room = max(_NARROWEST, width - number - 1 - 2 - len(head) - 2 - len(_LAST))
    yield f"{' ' * (number + 1)}{padded('position', room)}  {head}  {_LAST}"
    for place, position in enumerate(positions, start=1):
        first, *others = wrapped(position.text, room)
        row = " ".join(drawn[position.stance.get(voice, "silent")].rjust(column) for voice in named)
        yield f"{place:>{number}} {padded(first, room)}  {row}  {stated(position)}"
        yield from (f"{' ' * (number + 1)}{line}" for line in others)


def wrapped(claim: str, room: int) -> list[str]:
    """The claim in lines of at most `room` cells; a text of wide characters is cut where it has to be."""
    line = one_line(claim)
    if cells(line) == len(line):
        return wrap(line, room) or [""]
    return wrap(line, max(_NARROWEST // 2, room // 2)) or [""]


def flowing(parts: Sequence[str], width: int) -> Iterator[str]:
    """`parts` in lines, three spaces between them."""
    line = ""
    for part in parts:
        longer = f"{line}   {part}" if line else part
        if line and cells(longer) > width:
            yield line
            longer = part
        line = longer
    if line:
        yield line


def markdown(window: Window) -> str:
    """The same as a Markdown table with the voices' names in its head; "" for a window without positions."""
    if not window.positions:
        return ""
    head = ["position", *map(inline, window.voices), "in the answer?"]
    rows = [
        [
            inline(position.text),
            *(SIGNS[position.stance.get(voice, "silent")] for voice in window.voices),
            stated(position),
        ]
        for position in window.positions
    ]
    lines = [head, ["---", *[":-:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(clean(cell) for cell in line)} |" for line in lines) + f"\n\n{legend()}"
