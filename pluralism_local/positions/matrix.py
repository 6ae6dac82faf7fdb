"""The matrix of a window: positions × voices, for terminals and for documents.

    Window ──grid──> lines of spans, at most `width` cells, a page for every twelve voices      ──markdown──> a table
           ──text──> the same without colour, and below it what letters and signs mean

● supports, ○ opposes, · says nothing of it; + - . where a terminal has no such characters. The last column tells
whether the answer states the position. Where there is little room a position stands below its signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from pluralism_local.display.figures import cells, clean, one_line, padded
from pluralism_local.display.markdown import inline
from pluralism_local.display.voices import Look, looks
from pluralism_local.results import Position, Stance, Window

SIGNS: dict[Stance, str] = {"supports": "●", "opposes": "○", "silent": "·"}
PLAIN: dict[Stance, str] = {"supports": "+", "opposes": "-", "silent": "."}
PAGE = 12
"""Voices side by side, where there is room for so many."""

BESIDE = 56
"""Cells from which on a position stands beside its signs."""

_LAST = "answer"
GAP = "   "
_NARROWEST = 16


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line.

    Attributes:
        voice: whose letter or sign it is; None for what is nobody's.
    """

    text: str
    voice: str | None = None


Line = tuple[Span, ...]


def signs(*, unicode: bool = True) -> dict[Stance, str]:
    """What stands for each stance."""
    return SIGNS if unicode else PLAIN


def legend(*, unicode: bool = True) -> str:
    """What the signs mean, in one line."""
    return GAP.join(f"{sign} {stance}" for stance, sign in signs(unicode=unicode).items())


def stated(position: Position) -> str:
    """The last column: whether the answer states the position; "?" where nobody looked."""
    return {True: "yes", False: "no", None: "?"}[position.in_answer]


def text(window: Window, width: int = 80, *, unicode: bool = True, pool: Iterable[str] = ()) -> list[str]:
    """Lines of at most `width` cells (24 at least), without colour; none for a window without positions.

    Args:
        pool: all communities in their order, which letters go by; without them those of the window.
    """
    if not window.positions:
        return []
    named = looks(pool, window.voices)
    signs = legend(unicode=unicode).split(GAP)
    return [
        *("".join(span.text for span in line) for line in grid(window, width, named, unicode=unicode)),
        "",
        *("".join(span.text for span in line) for line in names(window.voices, width, named)),
        *flowing(signs, width),
    ]


def grid(window: Window, width: int, named: Mapping[str, Look], *, unicode: bool = True) -> Iterator[Line]:
    """The matrix alone, in lines of at most `width` cells."""
    number = len(str(len(window.positions)))
    column = max((len(named[voice].letter) for voice in window.voices), default=1)
    beside = width >= BESIDE
    room = width - number - 1 - 4 - len(_LAST) - (_NARROWEST if beside else 0)
    size = max(1, min(PAGE, (room + 1) // (column + 1)))
    for start in range(0, len(window.voices), size):
        if start:
            yield ()
        page = _Page(
            window.voices[start : start + size], named, column, width, number, signs(unicode=unicode)
        )
        yield from page.beside(window.positions) if beside else page.below(window.positions)


@dataclass(frozen=True, slots=True)
class _Page:
    """Voices side by side: each in a column of `column` cells, positions counted in `number` digits."""

    voices: Sequence[str]
    named: Mapping[str, Look]
    column: int
    width: int
    number: int
    drawn: Mapping[Stance, str]

    def beside(self, positions: Sequence[Position]) -> Iterator[Line]:
        """The head, and each position in as many lines as its text needs, with its signs in the first."""
        signs = len(self.voices) * (self.column + 1) - 1
        room = max(_NARROWEST, self.width - self.number - 1 - 2 - signs - 2 - len(_LAST))
        indent = " " * (self.number + 1)
        yield Span(f"{indent}{padded('position', room)}  "), *self._head(), Span(f"  {_LAST}")
        for place, position in enumerate(positions, start=1):
            first, *others = wrapped(position.text, room)
            before = Span(f"{place:>{self.number}} {padded(first, room)}  ")
            yield before, *self._row(position), Span(f"  {stated(position)}")
            yield from ((Span(f"{indent}{line}"),) for line in others)

    def below(self, positions: Sequence[Position]) -> Iterator[Line]:
        """The head, and each position in lines of its own below its signs."""
        indent = " " * (self.number + 1)
        yield Span(f"{'#':>{self.number}} "), *self._head(), Span(f"  {_LAST}")
        for place, position in enumerate(positions, start=1):
            yield Span(f"{place:>{self.number}} "), *self._row(position), Span(f"  {stated(position)}")
            room = max(_NARROWEST, self.width - len(indent))
            yield from ((Span(f"{indent}{line}"),) for line in wrapped(position.text, room))

    def _head(self) -> Iterator[Span]:
        return self._columns([self.named[voice].letter for voice in self.voices])

    def _row(self, position: Position) -> Iterator[Span]:
        return self._columns([self.drawn[position.stance.get(voice, "silent")] for voice in self.voices])

    def _columns(self, marks: Sequence[str]) -> Iterator[Span]:
        for place, (voice, mark) in enumerate(zip(self.voices, marks, strict=True)):
            yield Span(f"{' ' if place else ''}{mark.rjust(self.column)}", voice)


def wrapped(claim: str, room: int) -> list[str]:
    """The claim in lines of at most `room` cells; a text of wide characters is cut where it has to be."""
    line = one_line(claim)
    if cells(line) == len(line):
        return wrap(line, room) or [""]
    return wrap(line, max(_NARROWEST // 2, room // 2)) or [""]


def names(voices: Iterable[str], width: int, named: Mapping[str, Look]) -> Iterator[Line]:
    """Each letter with the name of its voice, in lines of at most `width` cells."""
    return in_lines(
        (Span(f"{named[voice].letter} {one_line(voice, width - 3)}", voice) for voice in voices), width
    )


def flowing(parts: Iterable[str], width: int) -> Iterator[str]:
    """`parts` in lines of at most `width` cells, three spaces between them."""
    return ("".join(span.text for span in line) for line in in_lines(map(Span, parts), width))


def in_lines(parts: Iterable[Span], width: int) -> Iterator[Line]:
    """`parts` in lines, three spaces between them."""
    line: list[Span] = []
    for part in parts:
        if line and sum(cells(span.text) for span in line) + len(GAP) + cells(part.text) > width:
            yield tuple(line)
            line = []
        line += [Span(GAP), part] if line else [part]
    if line:
        yield tuple(line)


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
