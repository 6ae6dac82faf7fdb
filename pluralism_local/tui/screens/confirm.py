"""Questions at the bottom of a screen, before something that cannot be taken back.

Confirm ──> True | False            Unsaved ──> "save" | "discard" | "back"
"""

from __future__ import annotations

from typing import ClassVar, Generic, Literal, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from pluralism_local.display.figures import one_line

T = TypeVar("T")


class Question(ModalScreen[T], Generic[T]):
    """A sentence and a button for each answer; `ANSWERS` are by the buttons' ids.

    Args:
        question: one sentence.
        labels: what the answers do and the keys that give them, in order, by the buttons' ids.
    """

    ANSWERS: ClassVar[dict[str, object]] = {}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    DEFAULT_CSS = """
    Question { align: left bottom; }
    Question > Vertical { width: 100%; height: auto; max-height: 100%; padding: 0 1; background: $surface;
        border-top: heavy $warning; }
    Question Horizontal { height: 1; }
    Question Button { margin: 0 2 0 0; min-width: 8; }
    Question Button:focus { text-style: bold reverse; }
    """

    def __init__(self, question: str, labels: dict[str, str]) -> None:
        super().__init__()
        self._question = one_line(question)
        self._labels = labels

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False)
            with Horizontal():
                for id, label in self._labels.items():
                    yield Button(label, id=id, compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_answer(event.button.id or "")

    def action_answer(self, id: str) -> None:
        self.dismiss(self.ANSWERS[id])  # type: ignore[arg-type] # what a subclass says that it asks for


class Confirm(Question[bool]):
    """Yes or no; ``y`` is yes, ``n`` and Esc are no. The focus begins on no.

    Args:
        question: one sentence.
        yes, no: what the answers do, one word each.
    """

    ANSWERS: ClassVar[dict[str, object]] = {"yes": True, "no": False}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer('yes')", show=False),
        Binding("n,escape", "answer('no')", show=False),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, question: str, *, yes: str = "Yes", no: str = "No") -> None:
        super().__init__(question, {"yes": f"{yes} (y)", "no": f"{no} (n, esc)"})


class Unsaved(Question[Literal["save", "discard", "back"]]):
    """What becomes of changes when their screen is left; Esc goes back to them. The focus begins on saving."""

    ANSWERS: ClassVar[dict[str, object]] = {"save": "save", "discard": "discard", "back": "back"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "answer('save')", show=False),
        Binding("d", "answer('discard')", show=False),
        Binding("b,escape", "answer('back')", show=False),
    ]
    AUTO_FOCUS = "#save"

    def __init__(self, question: str) -> None:
        super().__init__(question, {"save": "Save (s)", "discard": "Discard (d)", "back": "Back (esc)"})
