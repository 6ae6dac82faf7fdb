"""A window in sentences: how far the voices agree, what the answer leaves out, which of its marks no comment bears out.

    Window ──remarks──> "4 of 6 agree on … · against: press-right · undecided: speech-left", "Left out: …", …

The figures are a model's reading of the comments, which is said wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator

from pluralism_local.display.figures import cells, many, one_line
from pluralism_local.results import Position, Window

METHODS = {"entailment": "an entailment scorer", "llm": "the LLM's own probabilities"}
FINDERS = {"llm": "the authors' words or the LLM's", "sentences": "sentences of the comments"}

_LEAST_CLAIM = 40
"""Cells of a position's text in a line, at least: with fewer it says "Voting should be…", which any of them may."""


def agreement(window: Window, dot: str = " · ", width: int | None = None) -> str:
    """Who agrees with the position that most voices hold, who is against it, and who is undecided; "" for none.

    The position stands in it: that most hold something is no agreement on the question.

    Args:
        width: of the line, in terminal cells, which the position's text is cut for as far as that does; None for all.
    """
    if not window.positions:
        return ""
    first = window.positions[0]
    total = len(window.voices)
    if is_one_position(window):
        return "All voices hold one position: that is no window of opinions."
    if total > 1 and len(first.supporters) == 1:  # the most that hold one
        return "No two voices share a position."
    head = f"{len(first.supporters)} of {total} agree on "
    tail = "".join(
        f"{dot}{name}: {', '.join(voices)}"
        for name, voices in (("against", first.holders("opposes")), ("undecided", first.holders("silent")))
        if voices
    )
    room = None if width is None else max(_LEAST_CLAIM, width - cells(f'{head}""{tail}'))
    return f'{head}"{one_line(first.text.rstrip(".。"), room)}"{tail}'


def is_one_position(window: Window) -> bool:
    """Whether several voices were heard, and all of them support every position."""
    return len(window.voices) > 1 and all(
        len(position.supporters) == len(window.voices) for position in window.positions
    )


def left_out(window: Window) -> tuple[Position, ...]:
    """The positions that the answer does not state; none where nobody looked."""
    return tuple(position for position in window.positions if position.in_answer is False)


def remarks(window: Window, *, dot: str = " · ", width: int | None = None) -> Iterator[str]:
    """Lines about the window, from its agreement to how it came to be.

    Args:
        width: of a position's text, and of the line on agreement, in terminal cells; None for all of them.
    """
    if line := agreement(window, dot, width):
        yield line
    for position in left_out(window):
        yield f'Left out: "{one_line(position.text, width)}" ({", ".join(position.supporters)})'
    if failing := unverified(window):
        yield f"Unverified, no comment bears it out: {failing}"
    yield provenance(window)


def unverified(window: Window) -> str:
    """``"press-left in sentence 2, speech-right in sentence 3"``; "" where all marks stand."""
    return ", ".join(
        f"{mark.voice} in sentence {mark.sentence}" for mark in window.marks if not mark.verified
    )


def provenance(window: Window) -> str:
    """How the positions came to be, and how many claims are none."""
    by_itself = window.finder == window.method == "llm"
    method = "its own probabilities" if by_itself else METHODS[window.method]
    parts = [f"Positions: {FINDERS[window.finder]}, assigned by {method}"]
    counts = [
        (window.merged, "said the same as another"),
        (window.dropped, "had no comment behind it" if window.dropped == 1 else "had no comment behind them"),
        (window.beyond, "left off for lack of room"),
    ]
    parts += [f"{many(count, 'claim')} {what}" for count, what in counts if count]
    return f"{'; '.join(parts)}."
