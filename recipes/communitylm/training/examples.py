"""Examples, what a model is trained and evaluated on, and the order in which a training sees them.

    text ──Speller──> Tokens ──> Example: prompt | answer ──schedule──> order of training

The answer's tokens carry the loss, the prompt's never.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pluralism_local.types import Message

Tokens = tuple[int, ...]


class Speller(Protocol):
    """Text to tokens, as the base model wants them."""

    @property
    def header(self) -> Tokens:
        """Opens the assistant's turn; the invocation of activated adapters."""

    @property
    def end(self) -> int:
        """Ends a turn, or a text where there are no turns."""

    def prompt(self, user: str) -> Tokens:
        """A conversation with one user message, up to and without `header`."""

    def text(self, text: str) -> Tokens:
        """Plain text that continues a prompt."""

    def conversation(self, messages: Sequence[Message]) -> Tokens:
        """A conversation up to and with `header`."""

    def spelled(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens without and with the adapter: `prompt` is read by the base alone, `answer` starts with the header.

    Attributes:
        prompt: may be empty (causal form).
        answer: fed to the adapted model; at least 2 tokens.
        skip: leading tokens of `answer` that are given and carry no loss (the header), at least 1.
        side: 1, or -1 for a text of the second of two communities trained together (`together`), or for the text of a
            pair that is not chosen (`contrast`).
        reference: its loss in nats at the start of the run, for `contrast`; 0 elsewhere.
    """

    prompt: Tokens
    answer: Tokens
    skip: int
    side: int = 1
    reference: float = 0.0

    @property
    def losses(self) -> int:
        """Tokens with a loss."""
        return len(self.answer) - self.skip


def schedule(
    examples: Sequence[Example], *, tokens: int, passes: int, batch: int, seed: int
) -> list[Example]:
    """The order of training: passes over all examples, each shuffled anew, until `tokens` losses (0: `passes` passes).

    Neighbours are of similar length, so that batches hold little padding; the order of batches is random.
    """
    rng = random.Random(seed)
    planned: list[Example] = []
    seen = passed = 0
    while (seen < tokens) if tokens else (passed < passes):
        shuffled = list(examples)
        rng.shuffle(shuffled)
        for start in range(0, len(shuffled), 16 * batch):
            window = sorted(shuffled[start : start + 16 * batch], key=lambda example: -len(example.answer))
            batches = [window[at : at + batch] for at in range(0, len(window), batch)]
            rng.shuffle(batches)
            for part in batches:
                if tokens and seen >= tokens:
                    return planned
                planned += part
                seen += sum(example.losses for example in part)
        passed += 1
    return planned
