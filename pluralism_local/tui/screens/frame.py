"""What the choosing screens have in common: title, body, a line for messages, the keys; and how narrow ones look.

    Title      communities · perspectives, 6 of 14
    body       yielded by `content`
    Notice     shown while there is something to say
    KeyLine    space in/out  enter use  esc back  f1 keys

From 72 columns on the screen has the class ``-wide``: the list and the pane of details (`DetailsPane`) stand side by
side. Below that there is one of them at a time, `i` goes from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from pluralism_local.display.figures import one_line
from pluralism_local.errors import PlocalError
from pluralism_local.tui.screens.help import HelpScreen
from pluralism_local.tui.screens.screen_keys import KeyLine, ScreenKey, help_rows

T = TypeVar("T")
WIDE = 72  # columns

BACK = ScreenKey("escape", "back", "esc", "back", "Back, and everything stays as it was")
SEARCH = ScreenKey(
    "slash,ctrl+f", "search", "/", "search", "Search; Enter or the down arrow goes to the list, Esc clears"
)
DETAILS = ScreenKey(
    "i", "details", "i", "details", "Go to the details and back; scroll there with the arrows"
)
HELP = ScreenKey("f1", "help", "f1", "", "These keys")


class Notice(Static):
    """One or two lines for the user; takes no room while empty."""

    DEFAULT_CSS = """
    Notice { height: auto; max-height: 45%; padding: 0 1; background: $boost; display: none; }
    Notice.-shown { display: block; }
    Notice.-error { text-style: bold; color: $text-error; }
    """


class DetailsPane(VerticalScroll, can_focus=True):
    """A pane of text that scrolls."""

    DEFAULT_CSS = """
    DetailsPane { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    DetailsPane > Static { width: 100%; height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._text = Static(markup=False)

    def compose(self) -> ComposeResult:
        yield self._text

    def show(self, content: Content) -> None:
        """Show this from its beginning."""
        self._text.update(content)
        self.scroll_home(animate=False)


class Frame(ModalScreen[T], Generic[T]):
    """A screen over the whole terminal. Modal: the keys of what lies below do nothing meanwhile."""

    NAME: ClassVar[str] = ""
    KEYS: ClassVar[tuple[ScreenKey, ...]] = ()
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as Textual declares them
    DEFAULT_CSS = """
    Frame { background: $background; layout: vertical; }
    Frame > #title { height: 1; padding: 0 1; background: $panel; text-style: bold; text-wrap: nowrap;
        text-overflow: ellipsis; }
    Frame > #split { height: 1fr; layout: horizontal; }
    Frame #search { padding: 0 1; width: 100%; }
    Frame #list { width: 1fr; height: 1fr; }
    Frame.-wide #split > DetailsPane { width: 45%; border-left: solid $panel; }
    Frame.-wide #split > DetailsPane:focus { border-left: heavy $accent; }
    Frame.-narrow #split > DetailsPane { display: none; }
    Frame.-narrow.-details #split > DetailsPane { display: block; width: 100%; }
    Frame.-narrow.-details #list { display: none; }
    """

    def compose(self) -> ComposeResult:
        yield Static(self.NAME, id="title", markup=False)
        yield from self.content()
        yield Notice(markup=False)
        yield KeyLine(self.KEYS)

    def content(self) -> Iterator[Widget]:
        """The widgets between title and notice."""
        raise NotImplementedError

    def entitle(self, what: str) -> None:
        """Say in the title what is shown."""
        self.query_one("#title", Static).update(one_line(f"{self.NAME} · {what}" if what else self.NAME))

    def say(self, text: str = "", *, error: bool = False) -> None:
        """Show a message until the next one; none hides the line."""
        notice = self.query_one(Notice)
        notice.update(one_line(text))
        notice.set_class(bool(text), "-shown")
        notice.set_class(error, "-error")

    def say_error(self, error: PlocalError) -> None:
        """What is wrong, and what to do next."""
        self.say(f"{error.message} {error.hint}", error=True)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Clear the message; an error of the user's inside becomes one."""
        self.say()
        try:
            yield
        except PlocalError as error:
            self.say_error(error)

    def action_back(self) -> None:
        """Leave the search or the details; else the screen, with nothing changed."""
        if isinstance(self.focused, Input):
            self.focused.value = ""
            self.action_to_list()
        elif self.has_class("-details"):
            self.action_details()
        else:
            self.dismiss(None)

    def action_search(self) -> None:
        self.remove_class("-details")
        self.query_one("#search").focus()

    def action_to_list(self) -> None:
        self.query_one("#list").focus()

    def action_details(self) -> None:
        """From the list to the details, and back."""
        details = self.query_one(DetailsPane)
        to_details = self.focused is not details
        self.set_class(to_details and self.has_class("-narrow"), "-details")
        (details if to_details else self.query_one("#list")).focus()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen({self.NAME: help_rows(self.KEYS)}))
