"""The keys, in groups, readable at 40 columns: the key above its sentence there, beside it on a wide terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

Keys = Sequence[tuple[str, str]]
BESIDE = 60  # columns


class HelpScreen(ModalScreen[None]):
    """What the keys do.

    Args:
        bindings: (key, what it does) in order; or such lists by the title of their group.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter", "close", show=False)]
    DEFAULT_CSS = """
    HelpScreen { background: $background; layout: vertical; }
    HelpScreen > .line { height: 1; padding: 0 1; background: $panel; }
    HelpScreen > VerticalScroll { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    HelpScreen > VerticalScroll > Static { width: 100%; height: auto; }
    """

    def __init__(self, bindings: Mapping[str, Keys] | Keys) -> None:
        super().__init__()
        self._groups = dict(bindings) if isinstance(bindings, Mapping) else {"": bindings}

    def compose(self) -> ComposeResult:
        yield Static(Content.assemble(("help · keys", "bold")), classes="line")
        with VerticalScroll():
            yield Static(id="keys", markup=False)
        yield Static(Content.assemble(("esc", "bold"), " back  ", ("↑↓", "bold"), " scroll"), classes="line")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def on_resize(self, event: events.Resize) -> None:
        blocks = [_group(title, keys, event.size.width) for title, keys in self._groups.items()]
        self.query_one("#keys", Static).update(Content("\n\n").join(blocks))

    def action_close(self) -> None:
        self.dismiss(None)


def _group(title: str, keys: Keys, width: int) -> Content:
    lines = [Content.assemble((title, "bold underline"))] if title else []
    if width < BESIDE:
        lines += [Content.assemble((key, "bold"), f"\n  {what}") for key, what in keys]
        return Content("\n").join(lines)
    column = max((cell_len(key) for key, _ in keys), default=0) + 2
    lines += [_beside(key, what, column, width - column - 4) for key, what in keys]
    return Content("\n").join(lines)


def _beside(key: str, what: str, column: int, width: int) -> Content:
    """The key in its column, the sentence wrapped in the other."""
    first, *more = _wrapped(what, width)
    rest = "".join(f"\n{' ' * column}{line}" for line in more)
    return Content.assemble((key, "bold"), " " * (column - cell_len(key)), first, rest)


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}".strip()
        if cell_len(joined) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = joined
    return lines
