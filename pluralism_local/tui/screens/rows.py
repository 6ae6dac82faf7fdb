"""A list to choose from: one line a row, whatever it holds and however narrow the terminal.

    ListRow(key, left, text, right) ──Rows──>   ▸ [x] press-left …      17 %  ×1.0
    arrows ──> Moved(row)        Enter, click ──> Chosen(row)

The row under the cursor begins with ``▸``, so that it is found without colour. `text` gives way where the width is
short, then `right` takes its next, shorter form. Widths are terminal cells: a CJK character is two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

CURSOR = "▸ "
GAP = "  "
READABLE = 24  # cells


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line; texts on one line, without control characters.

    Attributes:
        key: which thing it stands for.
        left: a mark before the text, never cut.
        right: after the text at the right margin: forms of it, the longest first; all rows show the same one.
        faint: it cannot be chosen, or not be used as it is.
    """

    key: str
    text: str
    left: str = ""
    right: tuple[str, ...] = ()
    faint: bool = False


class Rows(ScrollView, can_focus=True):
    """The list. `cursor` is the index of the chosen row; 0 in an empty list."""

    DEFAULT_CSS = """
    Rows { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    Rows > .rows--faint { color: $text-muted; }
    Rows > .rows--cursor { text-style: bold; background: $panel; }
    Rows:focus > .rows--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--row", "rows--faint", "rows--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    cursor: reactive[int] = reactive(0, init=False)

    class Moved(Message):
        """The cursor stands on another row, or on none (None)."""

        def __init__(self, row: ListRow | None) -> None:
            super().__init__()
            self.row = row

    class Chosen(Message):
        """Enter or a click on a row."""

        def __init__(self, row: ListRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: tuple[ListRow, ...] = ()

    @property
    def rows(self) -> tuple[ListRow, ...]:
        return self._rows

    @property
    def row(self) -> ListRow | None:
        """The one under the cursor; None in an empty list."""
        return self._rows[self.cursor] if self._rows else None

    def show(self, rows: Sequence[ListRow], key: str | None = None) -> None:
        """Show these rows, with the cursor on `key`, else on the row it is on if that is still here."""
        target = key if key is not None else self.row.key if self.row else None
        self._rows = tuple(rows)
        place = next((number for number, row in enumerate(rows) if row.key == target), None)
        self.virtual_size = Size(0, len(rows))
        before = self.cursor
        self.cursor = place if place is not None else max(0, min(self.cursor, len(rows) - 1))
        if self.cursor == before:
            self._told()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if index >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[index]
        names = ["rows--row"]
        names += ["rows--faint"] if row.faint else []
        names += ["rows--cursor"] if index == self.cursor else []
        style = self.get_visual_style(*names).rich_style
        text = (CURSOR if index == self.cursor else "  ") + self._line(row, width - len(CURSOR))
        return Strip([Segment(text, style)], cell_len(text))

    def _line(self, row: ListRow, width: int) -> str:
        right = row.right[min(self._form(width), len(row.right) - 1)] if row.right else ""
        room = width - cell_len(row.left) - (cell_len(right) + len(GAP) if right else 0)
        return row.left + fitted(row.text, room) + (GAP + right if right else "")

    def _form(self, width: int) -> int:
        """The first form of `right` that leaves `READABLE` cells to the texts; else the last."""
        forms = max((len(row.right) for row in self._rows), default=1)
        with_right = [row for row in self._rows if row.right]
        for form in range(forms - 1):
            taken = max(
                cell_len(row.left) + cell_len(row.right[form]) for row in with_right if form < len(row.right)
            )
            if width - taken - len(GAP) >= READABLE:
                return form
        return forms - 1

    def watch_cursor(self) -> None:
        self._told()
        self.refresh()

    def _told(self) -> None:
        self.scroll_to_region(
            Region(0, self.cursor, 1, 1), animate=False, immediate=True, force=True, x_axis=False
        )
        self.post_message(self.Moved(self.row))

    def action_move(self, by: int) -> None:
        self.cursor = max(0, min(self.cursor + by, len(self._rows) - 1))

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(1, self.scrollable_content_region.height - 1))

    def action_choose(self) -> None:
        if self.row is not None:
            self.post_message(self.Chosen(self.row))

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if index < len(self._rows):
            again = index == self.cursor
            self.cursor = index
            if again:
                self.action_choose()


def fitted(text: str, width: int) -> str:
    """`text` in exactly `width` cells, cut with ``…`` or filled with blanks; empty for no width."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
