"""What engines did, in counts; tests and `plocal bench` read them."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Counts since something was opened.

    Attributes:
        decoded_tokens: without those that were guessed and did not come true.
        reused_tokens: cells of prompts that were in memory.
        drafted, accepted: tokens that were guessed (see `lookup`), and those of them that came true.
        restored_tokens: cells that came from the disk instead of being decoded.
    """

    adapter_switches: int = 0
    decode_calls: int = 0
    decoded_tokens: int = 0
    reused_tokens: int = 0
    drafted: int = 0
    accepted: int = 0
    restored_tokens: int = 0

    def add(self, other: Counters) -> None:
        """Add what `other` counts of these."""
        for count in fields(Counters):
            setattr(self, count.name, getattr(self, count.name) + getattr(other, count.name))
