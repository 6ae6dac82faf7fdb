"""A window in HTML: the answer in the middle, beside each sentence the voices that stand behind it, and the matrix.

    answer, Window ──annotated──> markup        Window ──table──> markup

The markup has classes and no styles: `STYLE` has these, for a page that may not load anything. Texts are escaped, and
everything that a sign shows is also said in words, for readers who listen.
"""

from __future__ import annotations

from pluralism_local.display.html import element, escape
from pluralism_local.positions.matrix import SIGNS, stated
from pluralism_local.positions.summary import remarks
from pluralism_local.results import Mark, Window

STYLE = """
.annotated p { display: grid; grid-template-columns: minmax(0, 1fr) 11rem; gap: 0 1.2rem; margin: .4rem 0 }
.annotated p > span:first-child { white-space: pre-wrap; overflow-wrap: anywhere }
.annotated .margin { font-size: .8rem; opacity: .75; border-left: 2px solid; padding-left: .5rem }
.annotated .unverified { text-decoration: line-through }
.matrix td, .matrix th { padding: .15rem .5rem; text-align: center; vertical-align: top }
.matrix td:first-child, .matrix th:first-child { text-align: left }
@media (max-width: 40rem) { .annotated p { grid-template-columns: minmax(0, 1fr) } }
"""


def annotated(answer: str, window: Window) -> str:
    """The answer's paragraphs, each beside the voices that its marks name; one without marks stands alone.

    Args:
        answer: composed of the window's positions, a paragraph for each in their order.
    """
    by_sentence: dict[int, list[Mark]] = {}
    for mark in window.marks:
        by_sentence.setdefault(mark.sentence, []).append(mark)
    paragraphs = [part.strip() for part in answer.split("\n\n") if part.strip()]
    rows = [
        element("p", element("span", escape(part), dir="auto"), _margin(by_sentence.get(number, [])))
        for number, part in enumerate(paragraphs, start=1)
    ]
    return element("div", *rows, class_="annotated")


def _margin(marks: list[Mark]) -> str:
    notes = [
        element("bdi", escape(mark.voice))
        if mark.verified
        else element("bdi", escape(mark.voice), class_="unverified", title="no comment bears it out")
        + " (unverified)"
        for mark in marks
    ]
    return element("span", ", ".join(notes), class_="margin") if notes else ""


def table(window: Window) -> str:
    """The matrix with its remarks below; "" for a window without positions."""
    if not window.positions:
        return ""
    head = element(
        "tr",
        element("th", "position", scope="col"),
        *(element("th", element("bdi", escape(voice)), scope="col") for voice in window.voices),
        element("th", "in the answer?", scope="col"),
    )
    rows = [
        element(
            "tr",
            element("td", escape(position.text), dir="auto"),
            *(
                element("td", SIGNS[taken], title=taken, aria_label=taken)
                for voice in window.voices
                for taken in (position.stance.get(voice, "silent"),)
            ),
            element("td", stated(position)),
        )
        for position in window.positions
    ]
    notes = "".join(element("p", escape(line), class_="quiet", dir="auto") for line in remarks(window))
    return element("table", element("thead", head), element("tbody", *rows), class_="matrix") + notes
