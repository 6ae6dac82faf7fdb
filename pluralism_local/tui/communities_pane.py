"""Who is speaking: each community's letter, name and state, and the first words of its comment; the whole of one.

Exchange ──show──> a row per community ──highlighted──> its whole comment        ──Enter──> Chosen(community)
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from pluralism_local.display.figures import clean, one_line
from pluralism_local.display.voices import Look, looks, qualified
from pluralism_local.tui.exchange import Exchange, LiveComment
from pluralism_local.tui.voice_text import is_dark, style

MOST_LINES = 5
"""Lines of a comment that the pane shows, where there is room."""

LONGEST = 20_000
"""Characters of a comment that are read in the pane; all of it is in the screen that Enter opens."""


class CommunitiesPane(OptionList):
    """The communities of one exchange, or of the pool before anything was asked."""

    DEFAULT_CSS = """
    CommunitiesPane {
        height: 1fr; min-height: 3; border: round $primary; padding: 0; scrollbar-size-vertical: 1;
        background: transparent;
    }
    CommunitiesPane:focus { border: heavy $accent; background: transparent; }
    CommunitiesPane > .option-list--option { padding: 0; }
    CommunitiesPane > .option-list--option-highlighted { background: $boost; color: $foreground; text-style: none; }
    CommunitiesPane:focus > .option-list--option-highlighted {
        background: $boost; color: $foreground; text-style: none;
    }
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
        self._rows: dict[str, Content] = {}
        self._voices: list[LiveComment] = []
        self._number: int | None = None

    def show(self, exchange: Exchange | None) -> None:
        """Show the voices of an exchange; rows that did not change are left alone."""
        number = exchange.number if exchange is not None else None
        if number != self._number and not self.has_focus:
            self._number, self.highlighted = number, None
        self.show_voices(list(exchange.voices.values()) if exchange else [])

    def show_voices(self, voices: list[LiveComment]) -> None:
        """Show these."""
        self._voices = voices
        width = max(12, self.scrollable_content_region.width - 1)
        height = self.scrollable_content_region.height // max(1, len(voices))
        words = min(MOST_LINES, max(1, height - 1))
        whole = self._open()
        named, dark = looks(voice.community for voice in voices), is_dark(self.app)
        shares = len({voice.weight for voice in voices}) > 1
        rows = {
            voice.community: row(
                voice,
                named[voice.community],
                width,
                None if voice.community == whole else words,
                dark=dark,
                share=shares,
            )
            for voice in voices
        }
        if list(rows) != list(self._rows):
            self.clear_options()
            self.add_options(Option(text, id=name) for name, text in rows.items())
        else:
            for name, text in rows.items():
                if not text.is_same(self._rows[name]) or text.spans != self._rows[name].spans:
                    self.replace_option_prompt(name, text)
        self._rows = rows

    def _open(self) -> str | None:
        """Whose comment is shown whole."""
        names = list(self._rows)
        return (
            names[self.highlighted]
            if self.highlighted is not None and self.highlighted < len(names)
            else None
        )

    def on_focus(self) -> None:
        if self.highlighted is None and self._rows:
            self.highlighted = 0

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self.show_voices(self._voices)
        self.call_after_refresh(self.scroll_to_highlight, top=True)

    def action_cursor_down(self) -> None:
        """Down through the comment that is open, then to the next."""
        _, bottom = self._place()
        hidden = bottom - (self.scroll_offset.y + self.scrollable_content_region.height)
        if hidden > 0:
            self.scroll_relative(y=min(hidden, 3), animate=False)
        else:
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        """Up through the comment that is open, then to the one before."""
        top, _ = self._place()
        hidden = self.scroll_offset.y - top
        if hidden > 0:
            self.scroll_relative(y=-min(hidden, 3), animate=False)
        else:
            super().action_cursor_up()

    def _place(self) -> tuple[int, int]:
        """The first line of the comment that is open, and the one behind its last."""
        heights = [text.plain.count("\n") + 1 for text in self._rows.values()]
        at = self.highlighted if self.highlighted is not None else 0
        return sum(heights[:at]), sum(heights[: at + 1])

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


def row(
    voice: LiveComment, look: Look, width: int, most: int | None = 1, *, dark: bool, share: bool = False
) -> Content:
    """``a press-left      writing`` and below it the comment, on at most `most` lines (None: all), `width` cells wide.

    Args:
        share: say the community's weight, too, where the weights differ.
    """
    weight = f"{100 * voice.weight:.0f}% " if share and voice.weight is not None else ""
    facts = weight + qualified(voice.side, None if voice.state == "done" else voice.state)
    name = one_line(voice.community, max(4, width - len(facts) - len(look.letter) - 3))
    head = Content.assemble(
        (f"{look.letter} ", style(look, dark=dark)),
        (name, style(look, dark=dark)),
        (f"  {facts}" if facts else "", "dim"),
    )
    body = _whole(voice.text, width - 2) if most is None else _first_lines(voice.text, width - 2, most)
    return Content("\n").join([head, *(Content(f"  {line}") for line in body)])


def _whole(text: str, width: int) -> list[str]:
    """All of `text`, its paragraphs kept."""
    return [
        line.plain.rstrip()
        for paragraph in clean(text[:LONGEST]).strip().split("\n")
        for line in Content(one_line(paragraph)).wrap(width)
    ]


def _first_lines(text: str, width: int, lines: int) -> list[str]:
    """The beginning of `text` on so many lines."""
    words = one_line(text[: (lines + 1) * width])
    if not words:
        return []
    wrapped = [line.plain.rstrip() for line in Content(words).wrap(width)]
    if len(wrapped) > lines:
        wrapped[lines - 1 :] = [one_line(" ".join(wrapped[lines - 1 :]), width)]
    return wrapped
