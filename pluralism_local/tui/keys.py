"""The application's keys, in one table: bindings, the command palette and the help are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.binding import Binding

from pluralism_local.mode_specs import MODES, weighing


@dataclass(frozen=True, slots=True)
class ChatKey:
    """A key and what it does.

    Attributes:
        keys: as Textual names them, the first one shown.
        action: of `ChatApp`.
        title: two or three words, for the palette.
        what: a sentence without a full stop, for palette and help.
    """

    keys: str
    action: str
    title: str
    what: str


KEYS = (
    ChatKey(
        "escape",
        "stop",
        "Stop",
        "Stop the answer and keep what there is; else take back the last queued prompt",
    ),
    ChatKey("ctrl+t", "next_mode", "Next mode", ", ".join(MODES).capitalize()),
    ChatKey("ctrl+n", "new", "New conversation", "Begin a new conversation"),
    ChatKey("ctrl+r", "retry", "Retry", "Ask the last prompt again with the next seed"),
    ChatKey("ctrl+o", "open('history')", "History", "Search and open earlier conversations"),
    ChatKey("f2", "open('communities')", "Communities", "Choose who is asked, with which scale and weight"),
    ChatKey("f3", "open('models')", "Models", "Switch the model without restarting"),
    ChatKey("f4", "open('settings')", "Settings", "Sampling, context and more"),
    ChatKey(
        "f5,ctrl+g",
        "side",
        "Communities pane",
        "Go to the comments and back; Up and Down read them whole, Enter opens one beside its card",
    ),
    ChatKey(
        "f6",
        "open('trace')",
        "Who said this?",
        "For each sentence of an overton answer the comments that bear it out (also x)",
    ),
    ChatKey(
        "f7",
        "open('apart')",
        "Who disagrees?",
        "Overton: who holds which position, looked for first where need be; with options: each community's own shares",
    ),
    ChatKey("f8", "open('options')", "Options", f"Type the answers that the mode {weighing()} weighs"),
    ChatKey("f9", "open('about')", "About this answer", "All notes, tokens, times and the seed of an answer"),
    ChatKey(
        "f10,ctrl+l",
        "values",
        "Values at stake",
        "The values, rights and duties that the question is about; Enter on one steers the next answer by it",
    ),
    ChatKey(
        "f12,ctrl+s",
        "open('draws')",
        "Draw comments",
        "Overton: many comments of each community, and which share of them takes which position",
    ),
    ChatKey("alt+left", "share(1)", "Wider side pane", "More room for the panes (or drag the line between)"),
    ChatKey("alt+right", "share(-1)", "Narrower side pane", "More room for the answers"),
    ChatKey("ctrl+up,alt+up", "watch(-1)", "Earlier exchange", "Show the exchange before in the panes"),
    ChatKey("ctrl+down,alt+down", "watch(1)", "Later exchange", "Show the exchange after in the panes"),
    ChatKey("ctrl+c", "copy_or_stop", "Copy or stop", "Copy what is selected; without a selection, stop"),
    ChatKey("f1", "open('help')", "Help", "All keys"),
)

ELSEWHERE = (
    ("enter", "Send the prompt"),
    ("ctrl+j", "New line in the prompt (also Shift+Enter, where the terminal tells)"),
    ("up, down", "In the prompt's first or last line: what was sent before and after"),
    ("pageup, pagedown", "Scroll the answers"),
    ("tab", "Go from field to field"),
    ("ctrl+p", "Every command, by name"),
    ("ctrl+q", "Quit"),
)
"""Keys that widgets or Textual handle."""


def bindings() -> list[Binding]:
    """For `App.BINDINGS`."""
    return [Binding(key.keys, key.action, key.title, show=False, tooltip=key.what) for key in KEYS]


def help_rows() -> Iterator[tuple[str, str]]:
    """Every key and what it does, for the help."""
    yield from ELSEWHERE[:2]
    for key in KEYS:
        yield key.keys.replace(",", ", "), key.what
    yield from ELSEWHERE[2:]
