"""Who holds which position of the answer that the panes are about: the headline, then the matrix.

Exchange ──pane_text──> lines as wide as the pane; while there is no window, how to get one
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from pluralism_local.positions.matrix import grid, legend
from pluralism_local.positions.summary import agreement
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.voice_text import coloured, is_dark, lines, named

_HINTS = {
    "none": "F7 finds out who holds which position.",
    "running": "looking for positions … Esc stops",
    "stopped": "Stopped; F7 looks for positions again.",
    "failed": "The search failed, F9 says why; F7 looks again.",
    "over": "No positions were found in the comments.",
}


class PositionsPane(VerticalScroll):
    """The matrix; hidden where the answer is not made of all comments."""

    DEFAULT_CSS = """
    PositionsPane {
        height: auto; max-height: 60%; border: round $primary; padding: 0; scrollbar-size-vertical: 1;
    }
    PositionsPane:focus { border: heavy $accent; max-height: 80%; }
    PositionsPane Static { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = "who holds which position"
        self.border_subtitle = " ".join(legend().split()[:4])  # a dot needs no words
        self._matrix = Static("", markup=False)
        self._exchange: Exchange | None = None
        self._text = Content("")
        self.display = False

    def compose(self) -> ComposeResult:
        yield self._matrix

    def show(self, exchange: Exchange | None) -> None:
        """Draw an exchange's positions."""
        self._exchange = exchange
        self.display = exchange is not None and exchange.is_heard
        if exchange is None or not self.display:
            return
        width = max(24, self.scrollable_content_region.width - 1)
        text = pane_text(exchange, width, dark=is_dark(self.app))
        if not text.is_same(self._text) or text.spans != self._text.spans:
            self._text = text
            self._matrix.update(text)

    def on_resize(self) -> None:
        self.show(self._exchange)


def pane_text(exchange: Exchange, width: int, *, dark: bool) -> Content:
    """What the pane says, `width` cells wide."""
    window = exchange.window
    if window is None or not window.positions:
        return Content.styled(_HINTS["over" if window is not None else exchange.search], "dim")
    voices = named(exchange)
    head = Content.styled(agreement(window, width=width), "bold")
    return lines([head, *(coloured(line, voices, dark=dark) for line in grid(window, width, voices))])
