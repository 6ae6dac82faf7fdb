"""The ranking of statements as a table, for terminals and for documents.

    Agreement ──text──> lines of at most `width` cells, a page for every twelve voices        ──markdown──> a table

Numbers are percent of P(agree); an exclamation mark stands behind those below one half, which reject.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from pluralism_local.agreement import ACCEPTS, Agreement
from pluralism_local.deliberation.summary import authors, changes, heard_positions, tally
from pluralism_local.display.figures import cells, clean, one_line, padded
from pluralism_local.display.markdown import inline
from pluralism_local.display.voices import looks
from pluralism_local.results import Round

PAGE = 12
"""Voices side by side, where there is room for so many."""

_NARROWEST = 20
_COLUMN = 4
_WELFARE = 8
LEGEND = "percent: the voice's probability of agreeing; ! below one half, it rejects the statement"


def text(agreement: Agreement, width: int = 80) -> list[str]:
    """Lines of at most `width` cells (60 at least), without colour."""
    named = {voice: look.letter for voice, look in looks(agreement.chosen.scores).items()}
    size = max(1, min(PAGE, (width - _NARROWEST - _WELFARE - 5) // (_COLUMN + 1)))
    voices = list(named)
    lines: list[str] = []
    for start in range(0, len(voices), size):
        if lines:
            lines.append("")
        lines += _page(agreement, {voice: named[voice] for voice in voices[start : start + size]}, width)
    legend = "   ".join(f"{letter} {one_line(voice)}" for voice, letter in named.items())
    return [*lines, "", *wrap(legend, width, break_on_hyphens=False), *wrap(LEGEND, width)]


def _page(agreement: Agreement, named: dict[str, str], width: int) -> Iterator[str]:
    head = " ".join(letter.rjust(_COLUMN) for letter in named.values())
    number = len(str(len(agreement.statements)))
    room = max(_NARROWEST, width - number - 1 - len(head) - _WELFARE - 1)
    yield f"{' ' * (number + 1)}{padded('statement', room)}{head} {agreement.rule.rjust(_WELFARE)}"
    for place, statement in enumerate(agreement.statements):
        first, *others = _wrapped(f"{statement.text} ({authors(agreement, place)})", room - 1)
        row = " ".join(score(statement.scores[voice]).rjust(_COLUMN) for voice in named)
        welfare = f"{statement.welfare:.2f}".rjust(_WELFARE)
        yield f"{place + 1:>{number}} {padded(first, room)}{row} {welfare}"
        yield from (f"{' ' * (number + 1)}{line}" for line in others)


def score(p: float) -> str:
    """``"61"``, or ``"31!"`` for a rejection: one is never rounded up to fifty."""
    return f"{min(49, round(100 * p))}!" if p < ACCEPTS else str(round(100 * p))


def _wrapped(statement: str, room: int) -> list[str]:
    line = one_line(statement)
    return wrap(line, room if cells(line) == len(line) else room // 2) or [""]


def rounds(held: Sequence[Round]) -> str:
    """What each voice did in each round, as Markdown lists; "" for none."""
    lines = []
    for round in held[1:]:
        lines.append(f"- {inline(tally(round))}")
        lines += [f"  - {inline(claim)}" for claim in heard_positions(round)]
        lines += [f"  - **{inline(voice)}** {inline(words)}" for voice, words in changes(round)]
    return "\n".join(lines)


def markdown(agreement: Agreement) -> str:
    """The same as a Markdown table with the voices' names in its head."""
    voices = list(agreement.chosen.scores)
    head = ["", "statement", "by", *map(inline, voices), inline(agreement.rule)]
    rows: list[Sequence[str]] = [
        [
            str(place + 1),
            inline(one_line(statement.text)),
            inline(authors(agreement, place)),
            *(score(statement.scores[voice]) for voice in voices),
            f"{statement.welfare:.2f}",
        ]
        for place, statement in enumerate(agreement.statements)
    ]
    lines = [head, ["---:", "---", "---", *["---:"] * (len(voices) + 1)], *rows]
    return "\n".join(f"| {' | '.join(map(clean, line))} |" for line in lines) + f"\n\n{LEGEND}"
