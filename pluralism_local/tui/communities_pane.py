"""Who is speaking: each community's weight, state, speed and first words. Enter opens the comment beside its card.

Exchange ──show──> a row of two lines per community ──Enter──> Chosen(community)
"""

from __future__ import annotations

import time
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from pluralism_local.display.figures import one_line
from pluralism_local.tui.exchange import Exchange, LiveComment

MOST_LINES = 5
"""Lines of a comment that the pane shows, where there is room."""


class CommunitiesPane(OptionList):
    """The communities of one exchange, or of the pool before anything was asked."""

    DEFAULT_CSS = """
    CommunitiesPane {
        height: 1fr; min-height: 3; border: round $primary; padding: 0; scrollbar-size-vertical: 1;
        background: transparent;
    }
    CommunitiesPane:focus { border: heavy $accent; background: transparent; }
    CommunitiesPane > .option-list--option { padding: 0; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("x", "app.open('trace')", "Who said this?", show=False)]

    class Chosen(Message):
        """Enter was pressed on a community."""

        def __init__(self, community: str) -> None:
            super().__init__()
            self.community = community

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.border_title = "communities"
        self._rows: dict[str, str] = {}
        self._voices: list[LiveComment] = []

    def show(self, exchange: Exchange | None) -> None:
        """Show the voices of an exchange; rows that did not change are left alone."""
        self.show_voices(list(exchange.voices.values()) if exchange else [])

    def show_voices(self, voices: list[LiveComment]) -> None:
        """Show these."""
        self._voices = voices
        width = max(12, self.scrollable_content_region.width - 1)
        now = time.monotonic()
        height = self.scrollable_content_region.height // max(1, len(voices))
        words = min(MOST_LINES, max(1, height - 1))
        rows = {voice.community: row(voice, width, now, words) for voice in voices}
        if list(rows) != list(self._rows):
            self.clear_options()
            self.add_options(Option(Content(text), id=name) for name, text in rows.items())
        else:
            for name, text in rows.items():
                if self._rows[name] != text:
                    self.replace_option_prompt(name, Content(text))
        self._rows = rows

    def on_focus(self) -> None:
        if self.highlighted is None and self._rows:
            self.highlighted = 0

    def action_page_up(self) -> None:
        if self.scrollable_content_region.height:  # the toolkit's own fails where there is no line of room
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self.scrollable_content_region.height:
            super().action_page_down()  # type: ignore[no-untyped-call]

    def on_resize(self) -> None:
        self.show_voices(self._voices)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id:
            self.post_message(self.Chosen(event.option_id))


def row(voice: LiveComment, width: int, now: float, lines: int = 1) -> str:
    """``press-left  17% done`` and below it the first words on at most `lines` lines, all at most `width` cells."""
    share = "" if voice.weight is None else f"{100 * voice.weight:.0f}% "
    facts = share + _state(voice, now)
    name = one_line(voice.community, max(4, width - len(facts) - 1))
    head = f"{name}{' ' * max(1, width - len(name) - len(facts))}{facts}"
    return "\n".join([head, *(f" {line}" for line in _first_lines(voice.text, width - 1, lines))])


def _first_lines(text: str, width: int, lines: int) -> list[str]:
    """The beginning of `text` on so many lines."""
    words = one_line(text[: (lines + 1) * width])
    if not words:
        return []
    wrapped = [line.plain.rstrip() for line in Content(words).wrap(width)]
    if len(wrapped) > lines:
        wrapped[lines - 1 :] = [one_line(" ".join(wrapped[lines - 1 :]), width)]
    return wrapped


def _state(voice: LiveComment, now: float) -> str:
    if voice.state == "writing":
        speed = voice.speed(now)
        return (
            f"{voice.tokens} tok"
            if speed is None
            else f"{voice.tokens} tok {speed:.{0 if speed >= 10 else 1}f}/s"
        )
    if voice.tokens:
        return f"{voice.state} {voice.tokens} tok"
    return voice.state
