"""Which share of many drawn comments takes which position, of the answer that the panes are about.

Exchange ──pane_text──> lines as wide as the pane        a number ──DrawsForm──> as many comments are drawn | None

Nothing is drawn before somebody asks for it; until then the pane is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pluralism_local.errors import InvalidInput
from pluralism_local.option_words import reworded
from pluralism_local.positions.shares import grid
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.voice_text import coloured, is_dark, lines, named

if TYPE_CHECKING:
    from pluralism_local.conversation.draw_cost import DrawCost

USUAL = 8
"""Comments of each community that the form begins with."""

_HINTS = {
    "none": "",
    "running": "drawing comments … Esc stops",
    "stopped": "Stopped; F12 draws again.",
    "failed": "It failed, F9 says why; F12 draws again.",
    "over": "They could not be counted, F9 says why; F12 draws again.",
}


class DrawsPane(VerticalScroll):
    """Positions with their shares; hidden where nobody has drawn comments."""

    DEFAULT_CSS = """
    DrawsPane {
        height: auto; max-height: 50%; border: round $primary; padding: 0; scrollbar-size-vertical: 1; display: none;
    }
    DrawsPane:focus { border: heavy $accent; max-height: 80%; }
    DrawsPane Static { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.border_title = "drawn comments"
        self._shares = Static("", markup=False)
        self._exchange: Exchange | None = None
        self._text = Content("")

    def compose(self) -> ComposeResult:
        yield self._shares

    def show(self, exchange: Exchange | None) -> None:
        """Draw an exchange's shares."""
        self._exchange = exchange
        self.display = exchange is not None and (
            exchange.draws is not None or exchange.draws_search != "none"
        )
        if exchange is None or not self.display:
            return
        width = max(24, self.scrollable_content_region.width - 1)
        text = pane_text(exchange, width, dark=is_dark(self.app))
        drawn = exchange.draws
        many = f"{drawn.n * len(drawn.comments)} " if drawn is not None else ""
        self.border_title = f"{many}drawn comments"
        self.border_subtitle = "F12 all of it" if drawn is not None else ""
        if not text.is_same(self._text) or text.spans != self._text.spans:
            self._text = text
            self._shares.update(text)

    def on_resize(self) -> None:
        self.show(self._exchange)


def pane_text(exchange: Exchange, width: int, *, dark: bool) -> Content:
    """What the pane says, `width` cells wide."""
    draws = exchange.draws
    hint = Content.styled(_HINTS[exchange.draws_search], "dim")
    if draws is None:
        return hint
    voices = named(exchange)
    rows = (coloured(line, voices, dark=dark) for line in grid(draws, width, voices))
    drawing = [hint] if exchange.draws_search not in ("none", "over") else []
    nothing = [] if draws.positions else [Content("None of them claims anything.")]
    return lines([*rows, *nothing, *drawing])


def in_words_of_the_chat(error: InvalidInput) -> str:
    """What is wrong and what to do, by the chat's keys."""
    return reworded(f"{error.message} {error.hint}", {"--community": "F2", "--draws": "Drawing"})


class DrawsForm(ModalScreen[int | None]):
    """How many comments of each community, and what so many take.

    Args:
        draws: to begin with.
        cost: of so many; raises InvalidInput for those that cannot be drawn.
    """

    DEFAULT_CSS = """
    DrawsForm { align: center middle; }
    DrawsForm VerticalScroll {
        width: 60; max-width: 95%; height: auto; max-height: 95%; border: round $accent; background: $surface;
        padding: 0 1;
    }
    DrawsForm Input { height: 1; border: none; padding: 0; background: $panel; margin: 1 0; }
    DrawsForm #cost { height: auto; color: $text-muted; }
    DrawsForm #cost.wrong { color: $text-error; }
    DrawsForm .about { height: auto; color: $text-muted; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, draws: int, cost: Callable[[int], DrawCost]) -> None:
        super().__init__()
        self._first, self._cost = draws, cost

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = "How many comments of each community?"
            box.border_subtitle = "Enter draws · Esc back"
            yield Static(
                "Each comment counts for the position that it takes: shares with intervals.",
                classes="about",
                markup=False,
            )
            yield Input(str(self._first), type="integer", max_length=4, compact=True)
            yield Static("", id="cost", markup=False)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._take(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if (draws := self._take(event.value)) is not None:
            self.dismiss(draws)

    def _take(self, typed: str) -> int | None:
        """The number, if so many can be drawn; what that takes, or why it cannot be, is shown."""
        said = self.query_one("#cost", Static)
        try:
            draws = int(typed or "0")
            sentence = self._cost(draws).sentence
        except ValueError:
            problem = "Type a number."
        except InvalidInput as error:
            problem = in_words_of_the_chat(error)
        else:
            said.remove_class("wrong").update(f"{sentence}.")
            return draws
        said.add_class("wrong").update(problem)
        return None
