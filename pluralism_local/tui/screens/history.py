"""Earlier conversations: searched while typing, read in a preview, opened, renamed, exported, deleted.

    History ──HistoryScreen──> dismiss(id of the conversation to open), or None

The database is asked in threads, a search once typing has paused; an answer that comes too late is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input

from pluralism_local.conversation.export import default_name, export, target
from pluralism_local.display.figures import many, one_line
from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.tui.screens.ask_line import AskLine
from pluralism_local.tui.screens.confirm import Confirm
from pluralism_local.tui.screens.conversation_text import local, preview
from pluralism_local.tui.screens.frame import BACK, DETAILS, HELP, SEARCH, DetailsPane, Frame
from pluralism_local.tui.screens.rows import ListRow, Rows
from pluralism_local.tui.screens.screen_keys import ScreenKey, bindings

if TYPE_CHECKING:
    from pluralism_local.history import ConversationSummary, History

R = TypeVar("R")
PAGE = 50
PAUSE = 0.15
"""Seconds without a key before a search begins."""

_EMPTY = "Nothing is here yet. What you ask in the chat is kept here, unless it was begun with --no-log."


class HistoryScreen(Frame[str | None]):
    """Choose a conversation.

    Args:
        history: open; it stays so.
    """

    NAME = "history"
    KEYS = (
        ScreenKey("enter", "use", "enter", "open", "Open the conversation and go on with it"),
        SEARCH,
        ScreenKey("r", "rename", "r", "rename", "Give it another title"),
        ScreenKey("e", "export", "e", "export", "Write it to a Markdown, JSON or HTML file"),
        ScreenKey("d,delete", "delete", "d", "delete", "Delete it"),
        DETAILS,
        BACK,
        HELP,
    )
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(KEYS), Binding("down", "to_list", show=False)]
    AUTO_FOCUS = "#list"

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._summaries: list[ConversationSummary] = []
        self._more = False  # whether there may be more than `_found`

    def content(self) -> Iterator[Widget]:
        yield Input(placeholder="/ search in everything that was said", id="search", compact=True)
        yield Container(Rows(id="list"), DetailsPane(), id="split")

    def on_mount(self) -> None:
        self._search(0)

    @work(exclusive=True, group="search")
    async def _search(self, pause: float, key: str | None = None) -> None:
        await asyncio.sleep(pause)
        with self.telling():
            count = max(PAGE, len(self._summaries) if key is not None else 0)
            self._summaries = await self._ask(lambda: self._history.list(self._words(), count, 0))
            self._more = len(self._summaries) == count
            self._show(key)

    @work(exclusive=True, group="search")
    async def _next_page(self) -> None:
        with self.telling():
            start = len(self._summaries)
            added = await self._ask(lambda: self._history.list(self._words(), PAGE, start))
            ids = {summary.id for summary in self._summaries}  # what was used meanwhile moves to the front
            self._summaries += [summary for summary in added if summary.id not in ids]
            self._more = len(added) == PAGE
            self._show()

    def _words(self) -> str:
        return self.query_one("#search", Input).value

    def _show(self, key: str | None = None) -> None:
        self.query_one("#list", Rows).show([_row(summary) for summary in self._summaries], key)
        count = f"{len(self._summaries)}{'+' if self._more else ''}"
        self.entitle(f"{count} found" if self._words().strip() else count)
        if not self._summaries:
            searched = one_line(self._words(), 60)
            instead = f"Nothing has {searched!r}. Esc clears the search." if searched else _EMPTY
            self.query_one(DetailsPane).show(Content(""))
            self.say(instead)

    async def _ask(self, question: Callable[[], R]) -> R:
        """The database's answer, without holding up the keys meanwhile."""
        return await asyncio.to_thread(question)

    @on(Input.Changed, "#search")
    def _search_changed(self) -> None:
        self._search(PAUSE)

    @on(Input.Submitted, "#search")
    def _search_done(self) -> None:
        self.action_to_list()

    @on(Rows.Moved)
    def _moved(self, event: Rows.Moved) -> None:
        summary = self._summary(event.row)
        if summary is None:
            return
        self._preview(summary)
        if self._more and summary is self._summaries[-1]:
            self._next_page()

    @work(exclusive=True, group="preview")
    async def _preview(self, summary: ConversationSummary) -> None:
        details = self.query_one(DetailsPane)
        await asyncio.sleep(PAUSE / 3)  # whoever holds the arrow down wants the last one
        try:
            conversation = await self._ask(lambda: self._history.get(summary.id))
        except PlocalError as error:  # another process has deleted it
            details.show(Content(error.message))
            return
        details.show(preview(conversation, self._words().split(), summary.snippet))

    @on(Rows.Chosen)
    def _chosen(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        with self.telling():
            self.dismiss(self._here().id)

    @work
    async def action_rename(self) -> None:
        with self.telling():
            summary = self._here()
            title = await self.app.push_screen_wait(AskLine("Title", summary.title, check=_not_blank))
            if title is not None:
                await self._ask(lambda: self._history.rename(summary.id, title))
                self._search(0, summary.id)

    @work
    async def action_delete(self) -> None:
        with self.telling():
            summary = self._here()
            title, count = one_line(summary.title, 60), many(summary.turns, "turn")
            question = f"Delete '{title}' with {count}? It cannot be brought back."
            if await self.app.push_screen_wait(Confirm(question, yes="Delete", no="Keep")):
                await self._ask(lambda: self._history.delete(summary.id))
                self._search(0, self._neighbour(summary.id))

    @work
    async def action_export(self) -> None:
        with self.telling():
            summary = self._here()
            ask = AskLine(
                "Export to (.md, .json or .html)", default_name(summary.id, summary.title), check=target
            )
            name = await self.app.push_screen_wait(ask)
            if name is None:
                return
            path = target(name)
            replace = path.exists()
            question = f"{path} exists. Replace it?"
            if replace and not await self.app.push_screen_wait(Confirm(question, yes="Replace", no="Keep")):
                return
            conversation = await self._ask(lambda: self._history.get(summary.id))
            await asyncio.to_thread(export, conversation, path, replace=replace)
            self.say(f"Written to {path.absolute()}.")

    def _here(self) -> ConversationSummary:
        summary = self._summary(self.query_one("#list", Rows).row)
        if summary is None:
            raise InvalidInput("No conversation is chosen.")
        return summary

    def _summary(self, row: ListRow | None) -> ConversationSummary | None:
        return next(
            (summary for summary in self._summaries if row is not None and summary.id == row.key), None
        )

    def _neighbour(self, id: str) -> str:
        """The conversation below this one, above it at the end of the list."""
        ids = [summary.id for summary in self._summaries]
        at = ids.index(id) if id in ids else 0
        return next(iter([*ids[at + 1 :][:1], *ids[:at][-1:]]), "")


def _row(summary: ConversationSummary) -> ListRow:
    moment = local(summary.updated)
    this_year = moment.year == datetime.now().astimezone().year
    long = f"{moment:%m-%d %H:%M}" if this_year else f"{moment:%Y-%m-%d} "
    short = f"{moment:%m-%d}" if this_year else f"{moment:%Y }"
    text = one_line(summary.title) or "(untitled)"
    return ListRow(summary.id, text, right=(f"{many(summary.turns, 'turn'):>9}  {long}", long, short))


def _not_blank(text: str) -> None:
    if not text:
        raise InvalidInput("A title has at least one character.")
