"""Conversations as Markdown, for reading and for pasting elsewhere; nothing reads it back.

Prompts and comments are quoted line by line, so that nothing in them breaks the frame; answers are Markdown of
their own and stand as they came, but that a code block left open is ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pluralism_local.deliberation.summary import headline
from pluralism_local.deliberation.summary import remarks as remarks_on_choice
from pluralism_local.deliberation.tables import markdown as ranking
from pluralism_local.deliberation.tables import rounds
from pluralism_local.display.figures import clean, percent
from pluralism_local.display.markdown import closing, inline, quote
from pluralism_local.display.voices import qualified
from pluralism_local.history import reading
from pluralism_local.history.reading import (
    Bar,
    comments,
    distribution,
    draws,
    state,
    unreadable,
    when,
    window,
)
from pluralism_local.history.values import Conversation, StoredTurn
from pluralism_local.positions import shares
from pluralism_local.positions.matrix import markdown
from pluralism_local.positions.summary import remarks


def dump(conversations: Sequence[Conversation]) -> str:
    """The Markdown text of these conversations, with a line break at its end."""
    pages = ("\n\n".join(_blocks(conversation)) for conversation in conversations)
    return clean("\n\n---\n\n".join(pages)) + "\n"


def _blocks(conversation: Conversation) -> Iterator[str]:
    yield f"# {inline(conversation.title)}"
    yield f"*{conversation.id}, {when(conversation.created)}*"
    for turn in conversation.turns:
        yield from _turn(turn)


def _turn(turn: StoredTurn) -> Iterator[str]:
    yield f"## {when(turn.created)}, {turn.mode}{inline(state(turn))}"
    yield quote(turn.prompt)
    if turn.answer.strip():
        answer = clean(turn.answer).strip()
        yield answer + closing(answer)
    bars = distribution(turn)
    if bars:
        yield _table(bars)
    if (agreement := reading.agreement(turn)) is not None:
        yield f"**{inline(headline(agreement))}**"
        yield ranking(agreement)
        yield "\n".join(f"- {inline(line)}" for line in remarks_on_choice(agreement))
    if (positions := window(turn)) is not None:
        yield "### Positions"
        yield markdown(positions)
        yield "\n".join(f"- {inline(line)}" for line in remarks(positions))
    if (drawn := draws(turn)) is not None:
        yield "### Drawn comments"
        yield shares.markdown(drawn)
        yield "\n".join(f"- {inline(line)}" for line in shares.notes(drawn))
    if held := reading.rounds(turn):
        yield "### Rounds"
        yield rounds(held)
    turn_comments = comments(turn)
    if turn_comments:
        yield "### Heard"
    for comment in turn_comments:
        qualifier = qualified(comment.side, comment.problem)
        remark = f" *({qualifier})*" if qualifier else ""
        yield f"**{inline(comment.community)}**{remark}"
        if comment.text.strip():
            yield quote(comment.text.strip())
    if remark := unreadable(turn):
        yield f"*{inline(remark)}*"


def _table(bars: Sequence[Bar]) -> str:
    rows = [f"| {inline(bar.option)} | {percent(bar.p)} |" for bar in bars]
    return "\n".join(["| option | model estimate |", "| --- | ---: |", *rows])
