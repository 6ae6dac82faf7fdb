"""The two lines that are always there: what is in use above, how it goes below.

ChatSession ──header──> "plocal · SmolLM2 … · OVERTON · pool perspectives"
ChatSession ──status──> "context 71.0 % full · offline        f7 who disagrees?   f6 who said this?   f1 help"
"""

from __future__ import annotations

from textual.widgets import Static

from pluralism_local.display.figures import one_line, percent
from pluralism_local.mode_specs import SPECS
from pluralism_local.model_names import without_folders
from pluralism_local.remote_url import without_credentials
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.session import ChatSession

NARROW = 60
"""Columns below which the lines are shortened."""

ROOMY = 116
"""Columns from which on keys are named that are seldom needed."""

CROWDED = 0.6
"""Share of the context from which on it is told how full it is."""


class StatusLine(Static):
    """One line that is only drawn again when it changes."""

    DEFAULT_CSS = """
    StatusLine { height: 1; padding: 0 1; }
    StatusLine#header { background: $primary; color: $text; text-style: bold; }
    StatusLine#status { background: $panel; color: $text-muted; }
    """

    def __init__(self, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._text = ""

    def say(self, text: str) -> None:
        """Show `text`, cut to the width."""
        if text != self._text:
            self._text = text
            self.update(text)


def header(session: ChatSession, width: int) -> str:
    """Model, mode and pool."""
    state = session.state
    pool = f"pool: {state.pool.id if state.pool else state.settings.pool}"
    if not SPECS[state.mode].communities:
        pool = "no communities"
    model = without_folders(session.model.id if session.model else without_credentials(state.settings.model))
    mode = state.mode.upper()
    if width < NARROW:
        return one_line(f"{mode} · {pool.removeprefix('pool: ')} · {model}", width)
    left = f"plocal · {model}"
    right = one_line(f"mode: {mode} · {pool}", max(width // 2, width - len(left) - 2))
    left = one_line(left, width - len(right) - 2)
    return f"{left}{' ' * max(2, width - len(left) - len(right))}{right}"


def status(session: ChatSession, exchange: Exchange | None, width: int) -> str:
    """What is going on, and the keys that matter now."""
    facts = [session.loading] if session.loading else []
    if session.waiting:
        facts.append(f"{session.waiting} queued")
    if full := _context(session):
        facts.append(full)
    if session.state.settings.offline:
        facts.append("offline")
    said = " · ".join(facts)
    keys = _keys(session, exchange, width)
    if len(said) + len(keys) >= width:  # what goes on is told whole before the keys are explained
        keys = _keys(session, exchange, NARROW - 1)
    left = one_line(said, max(0, width - len(keys) - 1))
    return f"{left}{' ' * max(1, width - len(left) - len(keys))}{keys}"


def _keys(session: ChatSession, exchange: Exchange | None, width: int) -> str:
    short = width < NARROW
    looked_for = () if exchange is None else (exchange.values_search, exchange.draws_search)
    if session.running is not None or "running" in looked_for:
        return "esc f1" if short else "esc stop   f1 help"
    draws = "f12 draw comments   " if width >= ROOMY else ""
    values = "f10 values   " if exchange is not None and width >= ROOMY else ""
    if exchange is not None and exchange.is_heard:
        return (
            "f7 f6 f5 f1"
            if short
            else f"f7 who disagrees?   f6 who said this?   f5 comments   {values}{draws}f1 help"
        )
    if exchange is not None and exchange.distribution is not None:
        return "f7 f5 f1" if short else f"f7 each community's shares   f5 comments   {values}f1 help"
    if exchange is not None and exchange.comments:  # of one community, of which the answer was made
        return "f5 f1" if short else f"f5 comments   ctrl+t mode   {values}f1 help"
    return "f1 help" if short else f"ctrl+t mode   f3 model   {values}f1 help"


def _context(session: ChatSession) -> str:
    """How full the context is, where that begins to matter."""
    total, used = session.model.context if session.model else None, session.context
    if not total or used is None or used < CROWDED * total:
        return ""
    return f"context {percent(min(1.0, used / total))} full"
