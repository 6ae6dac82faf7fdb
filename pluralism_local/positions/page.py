"""A window in HTML: the answer in the middle, beside each sentence the voices that stand behind it, and the matrix.

    answer, Window ──annotated──> markup        Window ──table──> markup        voice ──name──> markup

The markup has classes and no styles: `STYLE` has these, for a page that may not load anything. Texts are escaped, and
everything that a sign or a colour shows is also said in words, for readers who listen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pluralism_local.display import voices
from pluralism_local.display.html import element, escape
from pluralism_local.display.voices import Look, looks
from pluralism_local.positions.attribution import marks
from pluralism_local.positions.matrix import SIGNS, legend, stated
from pluralism_local.positions.summary import remarks
from pluralism_local.results import Mark, Window

STYLE = (
    voices.STYLE
    + """
.voice { font-weight: 600; font-variant-numeric: tabular-nums }
.name { white-space: nowrap }
.annotated p { display: grid; grid-template-columns: minmax(0, 1fr) 14rem; gap: 0 1.2rem; margin: .8rem 0 }
.annotated p > span:first-child { white-space: pre-wrap; overflow-wrap: anywhere }
.annotated .margin { font-size: .8rem; border-inline-start: 2px solid #888; padding-inline-start: .5rem }
.annotated .unverified { text-decoration: line-through }
.scroll { overflow-x: auto; margin: 1.6rem 0 .8rem }
.names { font-size: .9rem }
.key { white-space: pre-wrap }
.matrix { width: 100% }
.matrix td, .matrix th { padding: .3rem .4rem; text-align: center; vertical-align: top }
.matrix td { border-top: 1px solid #8886 }
.matrix td:first-child, .matrix th:first-child { text-align: start; padding-inline-start: 0; min-width: 9rem }
@media (max-width: 40rem) {
  .annotated p { grid-template-columns: minmax(0, 1fr) }
  .matrix td, .matrix th { padding: .3rem .15rem }
}
"""
)


def name(voice: str, named: Mapping[str, Look]) -> str:
    """The voice's letter in its colour, then its name; the name alone for one that has no look."""
    own = element("bdi", escape(voice))
    return element("span", f"{letter(voice, named)} {own}", class_="name") if voice in named else own


def letter(voice: str, named: Mapping[str, Look]) -> str:
    """The voice's letter in its colour."""
    return element("span", named[voice].letter, class_=f"voice {named[voice].css}")


def annotated(answer: str, window: Window, pool: Iterable[str] = ()) -> str:
    """The answer's paragraphs, each beside the voices that its marks name, which stand there and not behind it.

    One without marks stands alone.

    Args:
        answer: composed of the window's positions, a paragraph for each in their order.
        pool: all communities in their order, which letters go by; without them those of the window.
    """
    named = looks(pool, window.voices)
    by_sentence: dict[int, list[Mark]] = {}
    for mark in window.marks:
        by_sentence.setdefault(mark.sentence, []).append(mark)
    paragraphs = [part.strip() for part in answer.split("\n\n") if part.strip()]
    rows = []
    for number, part in enumerate(paragraphs, start=1):
        marked = by_sentence.get(number, [])
        text = part.removesuffix(marks(mark.voice for mark in marked))
        rows.append(element("p", element("span", escape(text), dir="auto"), _margin(marked, named)))
    return element("div", *rows, class_="annotated")


def _margin(marked: list[Mark], named: Mapping[str, Look]) -> str:
    notes = [
        name(mark.voice, named)
        if mark.verified
        else element("span", name(mark.voice, named), class_="unverified", title="no comment bears it out")
        + " (unverified)"
        for mark in marked
    ]
    return element("span", ", ".join(notes), class_="margin") if notes else ""


def table(window: Window, pool: Iterable[str] = ()) -> str:
    """The matrix, letters and remarks below it; "" for a window without positions. `pool`: as in `annotated`."""
    if not window.positions:
        return ""
    named = looks(pool, window.voices)
    head = element(
        "tr",
        element("th", "position", scope="col"),
        *(
            element("th", letter(voice, named), scope="col", title=voice, aria_label=voice)
            for voice in window.voices
        ),
        element("th", "in the answer?", scope="col"),
    )
    rows = [
        element(
            "tr",
            element("td", escape(position.text), dir="auto"),
            *(
                element("td", SIGNS[taken], title=taken, aria_label=taken, class_=named[voice].css)
                for voice in window.voices
                for taken in (position.stance.get(voice, "silent"),)
            ),
            element("td", stated(position)),
        )
        for position in window.positions
    ]
    drawn = element("table", element("thead", head), element("tbody", *rows), class_="matrix")
    letters = element("p", ", ".join(name(voice, named) for voice in window.voices), class_="names")
    signs = element("p", legend(), class_="quiet key")
    notes = (element("p", escape(line), class_="quiet", dir="auto") for line in remarks(window))
    return "".join([element("div", drawn, class_="scroll"), letters, signs, *notes])
