"""Conversations as Markdown, for reading and for pasting elsewhere; nothing reads it back.

Prompts and comments are quoted line by line, so that nothing in them breaks the frame; answers are Markdown of
their own and stand as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pluralism_local.figures import clean, percent
from pluralism_local.history.reading import Bar, comments, distribution, state, unreadable, when
from pluralism_local.history.values import Conversation, StoredTurn

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def dump(conversations: Sequence[Conversation]) -> str:
    """The Markdown text of these conversations, with a line break at its end."""
    pages = ("\n\n".join(_blocks(conversation)) for conversation in conversations)
    return clean("\n\n---\n\n".join(pages)) + "\n"


def _blocks(conversation: Conversation) -> Iterator[str]:
    yield f"# {_inline(conversation.title)}"
    yield f"*{conversation.id}, {when(conversation.created)}*"
    for turn in conversation.turns:
        yield from _turn(turn)


def _turn(turn: StoredTurn) -> Iterator[str]:
    yield f"## {when(turn.created)}, {turn.mode}{_inline(state(turn))}"
    yield _quote(turn.prompt)
    if turn.answer.strip():
        yield turn.answer.strip()
    bars = distribution(turn)
    if bars:
        yield _table(bars)
    heard = comments(turn)
    if heard:
        yield "### Heard"
    for comment in heard:
        problem = f" *({comment.problem})*" if comment.problem else ""
        yield f"**{_inline(comment.community)}**{problem}"
        if comment.text.strip():
            yield _quote(comment.text.strip())
    if remark := unreadable(turn):
        yield f"*{remark}*"


def _table(bars: Sequence[Bar]) -> str:
    rows = [f"| {_inline(bar.option)} | {percent(bar.p)} |" for bar in bars]
    return "\n".join(["| option | model estimate |", "| --- | ---: |", *rows])


def _quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines() or [""])


def _inline(text: str) -> str:
    """`text` on one line, its characters of markup escaped."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
