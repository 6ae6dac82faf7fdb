"""Conversations as one HTML file that needs nothing else: no script, nothing loaded, every text escaped.

Each text finds its own direction (``dir="auto"``) and is isolated from its surroundings, so that right-to-left
text and stray direction marks of one do not turn another around.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pluralism_local.deliberation.page import ranking, rounds
from pluralism_local.display.figures import percent
from pluralism_local.display.html import escape
from pluralism_local.display.voices import Look, looks, qualified
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
from pluralism_local.positions.page import STYLE, annotated, name, table
from pluralism_local.results import Comment

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.25; } h2 { font-size: 1rem; font-weight: 600; margin-top: 2rem; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.prompt { border-inline-start: 4px solid #888; padding-inline-start: .8rem; margin: .8rem 0; }
.quiet { opacity: .75; font-size: .9rem; } details { margin: .4rem 0; } table { border-collapse: collapse; }
td { padding: .1rem .8rem .1rem 0; } meter { width: 12rem; } article + article { border-top: 1px solid #888; }
"""


def dump(conversations: Sequence[Conversation]) -> str:
    """The HTML text of these conversations, with a line break at its end."""
    title = conversations[0].title if len(conversations) == 1 else f"{len(conversations)} conversations"
    articles = "\n".join(map(_article, conversations))
    return (
        '<!doctype html>\n<html lang="und">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{STYLE}</style>\n</head>\n<body>\n{articles}\n</body>\n</html>\n"
    )


def _article(conversation: Conversation) -> str:
    turns = "\n".join(map(_turn, conversation.turns))
    return (
        f'<article id="{escape(conversation.id)}">\n<h1 dir="auto">{escape(conversation.title)}</h1>\n'
        f'<p class="quiet">{escape(conversation.id)}, {when(conversation.created)}</p>\n{turns}\n</article>'
    )


def _turn(turn: StoredTurn) -> str:
    parts = [f"<h2>{when(turn.created)}, {escape(turn.mode)}<bdi>{escape(state(turn))}</bdi></h2>"]
    parts.append(_text(turn.prompt, "prompt"))
    positions, spoken = window(turn), comments(turn)
    pool = [comment.community for comment in spoken]
    if turn.answer.strip():
        marked = positions is not None and positions.marks
        answer = (
            annotated(turn.answer, positions, pool) if positions and marked else escape(turn.answer.strip())
        )
        parts.append(f'<div class="text answer" dir="auto">{answer}</div>')
    if (agreement := reading.agreement(turn)) is not None:
        parts.append(ranking(agreement, pool))
    if positions is not None:
        parts.append(table(positions, pool))
    if (drawn := draws(turn)) is not None:
        parts.append(shares.table(drawn))
    if held := reading.rounds(turn):
        parts.append(rounds(held))
    if bars := distribution(turn):
        parts.append(_bars(bars))
    named = looks(pool)
    parts += (_comment(comment, named) for comment in spoken)
    if remark := unreadable(turn):
        parts.append(f'<p class="quiet">{escape(remark)}</p>')
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _text(text: str, kind: str) -> str:
    return f'<div class="text {kind}" dir="auto">{escape(text)}</div>'


def _bars(bars: Sequence[Bar]) -> str:
    rows = (
        f'<tr><td dir="auto">{escape(bar.option)}</td>'
        f'<td><meter value="{bar.p:.4f}"></meter></td><td>{percent(bar.p)}</td></tr>'
        for bar in bars
    )
    return f'<table>{"".join(rows)}</table>\n<p class="quiet">Model estimate, not a survey of people.</p>'


def _comment(comment: Comment, named: Mapping[str, Look]) -> str:
    qualifier = qualified(comment.side, comment.problem)
    remark = f" ({qualifier})" if qualifier else ""
    text = _text(comment.text.strip(), "comment")
    return f"<details><summary>{name(comment.community, named)}{remark}</summary>{text}</details>"
