"""The small form of the mode distributional: the answers to weigh, where the prompt lists none.

typed options ──Enter on an empty line, or Ctrl+S──> tuple of at least two | Esc ──> None
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

MOST = len(ascii_uppercase)


class OptionsForm(ModalScreen[tuple[str, ...] | None]):
    """A line for each option; there is always an empty one more."""

    DEFAULT_CSS = """
    OptionsForm { align: center middle; }
    OptionsForm VerticalScroll {
        width: 60; max-width: 95%; height: auto; max-height: 95%; border: round $accent; background: $surface;
        padding: 0 1;
    }
    OptionsForm Input { height: 1; border: none; padding: 0; background: $panel; margin-bottom: 1; }
    OptionsForm #wrong { color: $text-error; height: auto; }
    OptionsForm .about { color: $text-muted; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "done", "Ask"),
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._first = options

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = "Which answers shall be weighed?"
            yield Static("Enter: next; on an empty line: ask. Esc: back.", classes="about", markup=False)
            for text in (*self._first, ""):
                yield self._line(text)
            yield Static("", id="wrong", markup=False)

    def on_mount(self) -> None:
        self.query(Input).first().focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        lines = list(self.query(Input))
        place = lines.index(event.input)
        if not event.value.strip():
            self.action_done()
            return
        if place == len(lines) - 1 and len(lines) < MOST:
            await self.query_one(VerticalScroll).mount(self._line(""), before="#wrong")
        elif place == len(lines) - 1:
            self.action_done()
            return
        list(self.query(Input))[place + 1].focus()

    def action_done(self) -> None:
        """Take the options if they are two at least and all different."""
        options = tuple(text for line in self.query(Input) if (text := " ".join(line.value.split())))
        if len(options) < 2:
            self.query_one("#wrong", Static).update("At least two options are needed.")
        elif len(set(options)) < len(options):
            self.query_one("#wrong", Static).update("Two options are the same.")
        else:
            self.dismiss(options)

    def _line(self, text: str) -> Input:
        return Input(text, placeholder="an answer, e.g. Yes", compact=True)
