"""The two lines that are always there: what is in use above, how it goes below.

ChatSession ──header──> "plocal · SmolLM2 … · OVERTON · pool perspectives"
ChatSession ──status──> "1,234/8,192 ctx · 165 tok/s · seed 7 · offline        esc stop  f1 help"
"""

from __future__ import annotations

import time

from textual.widgets import Static

from pluralism_local.display.figures import one_line, tokens
from pluralism_local.mode_specs import SPECS
from pluralism_local.remote_url import without_credentials
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.session import ChatSession

NARROW = 60
"""Columns below which the lines are shortened."""


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
    model = session.model.id if session.model else without_credentials(state.settings.model)
    mode = state.mode.upper()
    if width < NARROW:
        return one_line(f"{mode} · {pool.removeprefix('pool: ')} · {model}", width)
    left = one_line(f"plocal · {model}", width // 2)
    right = one_line(f"mode: {mode} · {pool}", width - len(left) - 2)
    return f"{left}{' ' * max(2, width - len(left) - len(right))}{right}"


def status(session: ChatSession, exchange: Exchange | None, width: int) -> str:
    """Context, speed, seed, whether it is offline, and the two keys that matter."""
    short = width < NARROW
    facts = [session.loading] if session.loading else []
    facts.append(_context(session, short))
    speed = exchange.speed(time.monotonic()) if exchange else None
    if speed is not None:
        facts.append(f"{speed:.0f} tok/s")
    if session.waiting:
        facts.append(f"{session.waiting} queued")
    facts.append(f"seed {session.state.seed}")
    if session.state.settings.offline:
        facts.append("offline")
    keys = "esc f1" if short else "esc stop   f1 help"
    left = one_line(" · ".join(facts), max(0, width - len(keys) - 1))
    return f"{left}{' ' * max(1, width - len(left) - len(keys))}{keys}"


def _context(session: ChatSession, short: bool) -> str:
    total = session.model.context if session.model else None
    used = "–" if session.context is None else tokens(session.context, short=short)
    return f"{used}/{tokens(total, short=short)} ctx" if total else f"{used} ctx"
