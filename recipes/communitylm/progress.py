"""How far a long piece of work is: who is told, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line of progress."""


def minutes(seconds: float) -> str:
    """A time span as ``m:ss``."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
