"""A screen's keys as one table: its bindings, the line at its bottom and its help are made of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

NARROW = 60  # columns
GAP = "  "
KeyText = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ScreenKey:
    """A key of a screen.

    Attributes:
        keys: as Textual names them, separated by commas.
        action: of the screen; empty for a key that a widget handles itself.
        label: the key as people write it.
        short: a word or two for the bottom line; empty to leave it to the help.
        what: a sentence without its full stop, for the help.
    """

    keys: str
    action: str
    label: str
    short: str
    what: str


def bindings(keys: Iterable[ScreenKey]) -> list[BindingType]:
    """For a screen's `BINDINGS`."""
    return [Binding(key.keys, key.action, key.short, show=False) for key in keys if key.action]


def help_rows(keys: Iterable[ScreenKey]) -> list[tuple[str, str]]:
    """For `HelpScreen`."""
    return [(key.label, key.what) for key in keys]


class KeyLine(Static):
    """The bottom line, two below `NARROW` columns: as many keys, the first ones first, as fit; ``f1 keys`` always."""

    DEFAULT_CSS = "KeyLine { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; }"

    def __init__(self, keys: Sequence[ScreenKey]) -> None:
        super().__init__()
        self._keys = [(key.label, key.short) for key in keys if key.short]

    def on_resize(self) -> None:
        width = self.content_size.width
        lines = 2 if width < NARROW else 1
        self.styles.height = lines
        self.update(_lines(self._keys, width, lines))


def _lines(keys: Sequence[KeyText], width: int, count: int) -> Content:
    last = ("f1", "keys")
    lines: list[list[KeyText]] = [[]]
    for key in keys:
        if _length([*lines[-1], key]) > width and len(lines) < count:
            lines.append([])
        if _length([*lines[-1], key, *([last] if len(lines) == count else [])]) > width:
            break
        lines[-1].append(key)
    lines[-1].append(last)
    return Content("\n").join(
        Content(GAP).join(Content.assemble((key, "bold"), f" {what}") for key, what in line) for line in lines
    )


def _length(keys: Sequence[KeyText]) -> int:
    return sum(len(key) + 1 + len(what) for key, what in keys) + len(GAP) * (len(keys) - 1)
