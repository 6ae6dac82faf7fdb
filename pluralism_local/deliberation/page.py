"""Juries and rounds in HTML: the ranking as a table, what changed as a list. Texts are escaped; there are no styles.

Agreement ──ranking──> markup        Round… ──rounds──> markup
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pluralism_local.agreement import ACCEPTS, Agreement
from pluralism_local.deliberation.summary import authors, changes, headline, heard_positions, remarks, tally
from pluralism_local.deliberation.tables import LEGEND, score
from pluralism_local.display.html import element, escape
from pluralism_local.display.voices import looks
from pluralism_local.positions.page import letter, name
from pluralism_local.results import Round


def ranking(agreement: Agreement, pool: Iterable[str] = ()) -> str:
    """The headline, the table of statements and what is to be said of it.

    Args:
        pool: all communities in their order, which letters go by; without them those that judged.
    """
    voices = list(agreement.chosen.scores)
    named = looks(pool, voices)
    head = element(
        "tr",
        element("th", "statement", scope="col"),
        element("th", "by", scope="col"),
        *(
            element("th", letter(voice, named), scope="col", title=voice, aria_label=voice)
            for voice in voices
        ),
        element("th", escape(agreement.rule), scope="col"),
    )
    rows = [
        element(
            "tr",
            element("td", f"{place + 1}. {escape(statement.text)}", dir="auto"),
            element("td", element("bdi", escape(authors(agreement, place)))),
            *(_score(statement.scores[voice]) for voice in voices),
            element("td", f"{statement.welfare:.2f}"),
        )
        for place, statement in enumerate(agreement.statements)
    ]
    notes = "".join(
        element("p", escape(line), class_="quiet", dir="auto") for line in (LEGEND, *remarks(agreement))
    )
    legend = element("p", ", ".join(name(voice, named) for voice in voices), class_="names")
    table = element("table", element("thead", head), element("tbody", *rows), class_="matrix")
    scrolled = element("div", table, class_="scroll")
    return element("p", element("strong", escape(headline(agreement)))) + scrolled + legend + notes


def _score(p: float) -> str:
    stance = "rejects" if p < ACCEPTS else "agrees"
    return element("td", score(p), title=stance, aria_label=f"{score(p)}, {stance}")


def rounds(held: Sequence[Round]) -> str:
    """What each voice did in each round, what it said folded away; "" for none."""
    parts = []
    for round in held[1:]:
        did = element(
            "ul",
            *(
                element("li", element("bdi", escape(voice)) + ": " + escape(words), dir="auto")
                for voice, words in changes(round)
            ),
        )
        claims = element(
            "ul", *(element("li", escape(claim), dir="auto") for claim in heard_positions(round))
        )
        parts.append(element("p", escape(tally(round))) + (claims if round.window else "") + did)
    for round in held[:-1]:
        quotes = "".join(
            element("p", element("bdi", escape(comment.community)) + ": " + escape(comment.text), dir="auto")
            for comment in round.comments
        )
        name = "The first comments" if round.number == 0 else f"Comments of round {round.number}"
        parts.append(element("details", element("summary", name), quotes))
    return "\n".join(parts)
