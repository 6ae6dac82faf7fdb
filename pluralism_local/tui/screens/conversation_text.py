"""A stored conversation for reading: prompts, answers, options with their probabilities, who commented."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from textual.content import Content

from pluralism_local.display.figures import beginning, many, one_line, percent
from pluralism_local.history import Conversation, StoredTurn
from pluralism_local.history.reading import comments, distribution, state, unreadable

LONGEST = 100
"""Turns that are shown; the conversation is opened for more."""


def preview(conversation: Conversation, words: Sequence[str] = (), snippet: str = "") -> Content:
    """The conversation; with the words that were searched for marked, and first the `snippet` around them."""
    begun = local(conversation.created).strftime("%Y-%m-%d %H:%M")
    count = len(conversation.turns)
    parts = [
        Content.assemble((one_line(conversation.title), "bold")),
        Content(f"{begun} · {many(count, 'turn')} · {conversation.id}"),
    ]
    if words:
        parts.append(Content.assemble(("found  ", "bold"), one_line(snippet)))
    parts += [part for turn in conversation.turns[:LONGEST] for part in _turn(turn)]
    if count > LONGEST:
        parts.append(Content(f"… {count - LONGEST:,} turns more"))
    text = Content("\n\n").join(parts)
    if words:
        pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
        return text.highlight_regex(pattern, style="reverse")
    return text


def local(moment: datetime) -> datetime:
    """The moment by the clock here, or as it is at the ends of the calendar, where there is none."""
    try:
        return moment.astimezone()
    except OverflowError:
        return moment


def _turn(turn: StoredTurn) -> Iterator[Content]:
    yield Content.assemble(("you  ", "bold"), beginning(turn.prompt))
    yield Content.assemble((f"{turn.mode}{one_line(state(turn))}", "bold"), _below(turn.answer))
    bars = distribution(turn)
    if bars:
        yield Content("\n".join(f"{percent(bar.p):>7}  {one_line(bar.option)}" for bar in bars))
    voices = comments(turn)
    if voices:
        yield Content(f"heard: {', '.join(one_line(comment.community) for comment in voices)}")
    if lost := unreadable(turn):
        yield Content(one_line(lost))


def _below(answer: str) -> str:
    return f"\n{beginning(answer.strip())}" if answer.strip() else "\n(no answer)"
