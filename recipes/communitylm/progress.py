"""How far a long piece of work is: who is told."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line of progress."""
