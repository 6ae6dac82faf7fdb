"""What a report consists of. Everything in a block is plain text or a drawing; `page` makes markup of it."""

from __future__ import annotations

from dataclasses import dataclass

from pluralism_local.evaluation.report.svg import Drawing


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text; `kind` is "" or "aside" (what a run is, in small print) or "quote" (a question's text)."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first cell of each is its heading. `head` has as many cells as every row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its numbers. `caption` says what is shown, the unit, n and the interval."""

    title: str
    caption: str
    drawing: Drawing
    table: Table


@dataclass(frozen=True, slots=True)
class Details:
    """What is folded until it is asked for."""

    summary: str
    blocks: tuple[Block, ...]


Block = Heading | Paragraph | Table | Figure | Details


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with an entry in its table of contents; `anchor` is its id in the page."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]
