"""What a prompt begins with whatever is asked: a persona, an instruction, and what the template puts before them.

    messages (each knows how many of its characters recur) ──Recurring.prefix──> Prefix(tokens, head) | None

Nothing about wording or templates is known here: the messages are rendered with several other texts in place of what
does not recur, and the prefix is what all of these prompts have in common. So it depends on recurring words alone, and
is the same for every question. Its head is found in the same way with nothing recurring: what the template itself
writes, which the prefix of every persona begins with.

Failure modes: none. A template that refuses the other texts leaves no prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pluralism_local.engine.kv_store import WORTH_RESTORING
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.schedule import Prefix, common_prefix
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message, Role

WORTH_KEEPING = 32
"""Shorter prefixes than this many tokens are read with their prompts: a decode of their own would not pay."""

_OTHERS = ("Why", "x", "7", "(")
"""Texts in place of those that do not recur; they begin with different kinds of tokens."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Of a message what recurs, and whether that is all of it."""

    role: Role
    text: str
    is_whole: bool


class Recurring:
    """Finds prefixes of one model's prompts; each is looked for once."""

    def __init__(self, prompter: Prompter) -> None:
        self._prompter = prompter
        self._prefixes: dict[tuple[_Part, ...], Prefix | None] = {}

    def prefix(self, messages: Sequence[Message]) -> Prefix | None:
        """What recurs of the prompt of `messages`; None if that is too little."""
        parts = _opening(messages)
        if not any(part.text for part in parts):
            return None
        if parts not in self._prefixes:
            self._prefixes[parts] = self._find(parts)
        return self._prefixes[parts]

    def _find(self, parts: tuple[_Part, ...]) -> Prefix | None:
        tokens = self._common(parts)
        if len(tokens) < WORTH_KEEPING:
            return None
        head = self._common(tuple(replace(part, text="", is_whole=False) for part in parts))
        is_shared = WORTH_RESTORING <= len(head) < len(tokens) and tokens[: len(head)] == head
        return Prefix(tokens, len(head) if is_shared else 0)

    def _common(self, parts: tuple[_Part, ...]) -> tuple[int, ...]:
        """Tokens that the prompts of `parts` begin with, whatever stands in place of what does not recur."""
        first, *rest = (self._tokens(parts, other) for other in _OTHERS)
        return first[: min(common_prefix(first, tokens) for tokens in rest)]

    def _tokens(self, parts: tuple[_Part, ...], other: str) -> tuple[int, ...]:
        messages, recurs = [], True
        for part in parts:
            text = part.text if recurs else ""
            recurs = recurs and part.is_whole
            messages.append(Message(part.role, text if recurs else text + other))
        try:
            return self._prompter.tokens(self._prompter.prompt(messages))
        except InvalidInput:
            return ()


def _opening(messages: Sequence[Message]) -> tuple[_Part, ...]:
    """The messages up to the first of the user; what comes later was said.

    Only the first that recurs at all counts: so a persona's prefix is one and the same before every instruction.
    """
    parts: list[_Part] = []
    for message in messages:
        is_first = not any(part.text for part in parts)
        text = message.content[: message.recurring] if is_first else ""
        parts.append(_Part(message.role, text, is_first and text == message.content))
        if message.role == "user":
            break
    return tuple(parts)
