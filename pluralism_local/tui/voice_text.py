"""Voices as the chat writes them: each letter, name and sign in the voice's colour, bold, and so without colour, too.

Exchange ──named──> looks        a line of a matrix ──coloured──> Content
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from textual.app import App
from textual.content import Content

from pluralism_local.display.voices import Look, looks
from pluralism_local.positions.matrix import Line
from pluralism_local.tui.exchange import Exchange

_MARK = re.compile(r"\[([^\[\]\n]{1,2000})\]")
_NAME = re.compile(r"[^,\s][^,]*")


def named(exchange: Exchange) -> dict[str, Look]:
    """By voice its look, in the order of the exchange's pool."""
    return looks(exchange.voices, exchange.window.voices if exchange.window is not None else ())


def is_dark(app: App[object]) -> bool:
    """Whether text stands on dark ground."""
    return app.current_theme.dark


def style(look: Look, *, dark: bool) -> str:
    """Of a voice's letter and sign."""
    return f"bold {look.colour(dark=dark)}"


def coloured(line: Line, voices: Mapping[str, Look], *, dark: bool) -> Content:
    """A line of a matrix."""
    return Content.assemble(
        *(
            (span.text, style(look, dark=dark)) if (look := voices.get(span.voice or "")) else span.text
            for span in line
        )
    )


def marked(text: Content, voices: Mapping[str, Look], *, dark: bool) -> Content:
    """`text` with the names of voices between square brackets in their colours, as answers mark their sources."""
    for mark in _MARK.finditer(text.plain):
        for name in _NAME.finditer(mark[1]):
            if (look := voices.get(name[0])) is not None:
                start = mark.start(1) + name.start()
                text = text.stylize(style(look, dark=dark), start, start + len(name[0]))
    return text


def lines(parts: Iterable[Content]) -> Content:
    """One below the other."""
    return Content("\n").join(parts)
