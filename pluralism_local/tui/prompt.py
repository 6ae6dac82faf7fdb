"""Where the user writes: Enter sends, Ctrl+J breaks the line, Up and Down at the edges walk through what was sent.

    keys, pastes ──> PromptBox ──Submitted(text)──> ChatApp

The text stays until the application takes it away, so no error can cost it.
"""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

KEPT = 200
"""Prompts that Up walks back through at most."""


class PromptBox(TextArea):
    """A text field that grows with its text, up to a few lines."""

    DEFAULT_CSS = """
    PromptBox {
        height: auto; min-height: 3; max-height: 8; border: round $primary; padding: 0 1;
        background: $surface;
    }
    PromptBox:focus { border: round $accent; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,shift+enter,alt+enter", "newline", "New line", show=False),
        Binding("up", "older", show=False),
        Binding("down", "newer", show=False),
        Binding("f6", "app.open('trace')", show=False),  # in place of TextArea's own
        Binding("f7", "app.open('apart')", show=False),
        Binding("pageup", "app.scroll_answers(-1)", show=False),
        Binding("pagedown", "app.scroll_answers(1)", show=False),
    ]

    class Submitted(Message):
        """Enter was pressed on a text that is not blank."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
            placeholder="Ask something. Enter sends, Ctrl+J breaks the line.",
        )
        self._sent: list[str] = []
        self._place = 0  # in _sent; at its end stands what is being written
        self._draft = ""

    def remember(self, text: str) -> None:
        """Make `text` the last one that Up brings back."""
        if self._sent[-1:] != [text]:
            self._sent = [*self._sent[1 - KEPT :], text]
        self._place = len(self._sent)

    def put(self, text: str) -> None:
        """Replace what is written."""
        self.text = text
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        if event.key != "enter":
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        if self.text.strip():
            self.post_message(self.Submitted(self.text))

    def action_newline(self) -> None:
        """Break the line."""
        self.insert("\n")

    def action_older(self) -> None:
        """One line up; on the first line, what was sent before."""
        if self.cursor_at_first_line and self._place > 0:
            if self._place == len(self._sent):
                self._draft = self.text
            self._walk(-1)
        else:
            self.action_cursor_up()

    def action_newer(self) -> None:
        """One line down; on the last line, what was sent after."""
        if self.cursor_at_last_line and self._place < len(self._sent):
            self._walk(1)
        else:
            self.action_cursor_down()

    def _walk(self, step: int) -> None:
        self._place += step
        self.put(self._sent[self._place] if self._place < len(self._sent) else self._draft)
