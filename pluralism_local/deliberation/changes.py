"""What a voice did in a round, told from its two comments.

    positions, stances before and after ──change──> stood | answered | revised | silent        no positions: words alone

Voices do not repeat all that they said, so that a position which a reply passes over is listed as dropped and revises
nothing by itself. A scorer of entailment misses what is said in other words: these are hints where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

from pluralism_local.agreement import Change, ChangeKind
from pluralism_local.results import Stance

ALIKE = 0.9
"""Similarity from which on two comments say the same, whatever a scorer makes of them."""

RELATED = 0.5
"""Similarity from which on a voice stood by its comment, where there are no positions to tell."""


def change(
    voice: str,
    comment: str,
    reply: str,
    before: Mapping[str, Stance] | None = None,
    after: Mapping[str, Stance] | None = None,
) -> Change:
    """What `reply` does with what `comment` said.

    Args:
        before, after: what the two do with each position, by its text; None where there are no positions.
    """
    alike = similarity(comment, reply)
    if not reply.strip():
        return Change(voice, "silent", "text", alike)
    if not before or after is None:
        return Change(voice, "stood" if alike >= RELATED else "revised", "text", alike)
    if alike >= ALIKE:
        return Change(voice, "stood", "text", alike)
    gained = tuple(text for text in after if after[text] == "supports" and before.get(text) != "supports")
    dropped = tuple(text for text in after if before.get(text) == "supports" and after[text] != "supports")
    opposed = tuple(text for text in after if after[text] == "opposes" and before.get(text) != "opposes")
    kind: ChangeKind = "answered" if opposed else "stood"
    if gained or set(dropped) & set(opposed):
        kind = "revised"
    return Change(voice, kind, "positions", alike, gained, dropped, opposed)


def similarity(first: str, second: str) -> float:
    """The share of words that two texts have in common in the same order, in [0, 1]; 0 for a blank one."""
    a, b = first.lower().split(), second.lower().split()
    return SequenceMatcher(a=a, b=b, autojunk=False).ratio() if a and b else 0.0
