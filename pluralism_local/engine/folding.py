"""A system message for those that take none: at the head of the first user message."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.types import Message


def fold_system(messages: Sequence[Message]) -> tuple[Message, ...] | None:
    """`messages` with the system's text, an empty line, then the first user message; None if they do not begin so."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    first = Message("user", f"{messages[0].content}\n\n{messages[1].content}")
    return (first, *messages[2:])
