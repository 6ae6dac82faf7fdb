"""One line asked for at the bottom of the screen, checked while it is typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pluralism_local.display.figures import one_line
from pluralism_local.errors import PlocalError

CheckText = Callable[[str], object]
"""Raises a `PlocalError` for a text that will not do."""


class AskLine(ModalScreen[str | None]):
    """Asks for a line; Enter gives it, without white space around, once `check` has nothing against it; Esc is None.

    Args:
        question: what the line is.
        value: what stands there first, selected, so that typing replaces it.
        hint: shown while there is nothing wrong.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]
    DEFAULT_CSS = """
    AskLine { align: left bottom; }
    AskLine > Vertical { width: 100%; height: auto; max-height: 100%; padding: 0 1; background: $surface;
        border-top: heavy $accent; }
    AskLine .-error { text-style: bold; color: $text-error; }
    """

    def __init__(self, question: str, value: str = "", *, check: CheckText, hint: str = "") -> None:
        super().__init__()
        self._question = one_line(question)
        self._value = value
        self._check = check
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False)
            yield Input(self._value, compact=True)
            yield Static(id="verdict", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        problem = self._problem(event.value)
        verdict = self.query_one("#verdict", Static)
        verdict.update(one_line(problem) or f"{self._hint}  enter ok · esc cancel".strip())
        verdict.set_class(bool(problem), "-error")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if not self._problem(event.value):
            self.dismiss(event.value.strip())

    def action_cancel(self) -> None:
        self.dismiss(None)

    def _problem(self, text: str) -> str:
        try:
            self._check(text.strip())
        except PlocalError as error:
            return f"{error.message} {error.hint}".strip()
        return ""
