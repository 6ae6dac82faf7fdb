"""Blocks as one HTML file: styles inside, no script, nothing loaded from anywhere.

    title, RunViews ──sections──> Section… ──render──> HTML

Light or dark as the reader's system has it, always light on paper, where folded parts are printed open. Drawings and
tables wider than a screen scroll in their own frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import count

from pluralism_local.display.html import element, escape
from pluralism_local.evaluation.report import sections
from pluralism_local.evaluation.report.blocks import (
    Block,
    Details,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
)
from pluralism_local.evaluation.report.views import RunView

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_NUMBER = re.compile(r"[-−+]?[\d,.]+( .*)?|–|")
_FEW_ROWS = 14
_FEW_COLUMNS = 5


def render(title: str, runs: Sequence[RunView]) -> str:
    """The whole file; the same runs give the same text."""
    parts = sections.all_sections(runs)
    figures = count(1)
    contents = element(
        "ol", *(element("li", element("a", escape(part.title), href=f"#{part.anchor}")) for part in parts)
    )
    body = element(
        "main",
        element("h1", escape(title)),
        "".join(_block(block, figures) for block in sections.opening(runs)),
        element("nav", contents, aria_label="Contents"),
        *(_section(part, figures) for part in parts),
    )
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _section(section: Section, figures: Iterator[int]) -> str:
    return "\n" + element(
        "section",
        element("h2", escape(section.title), id=f"{section.anchor}-title"),
        *(_block(block, figures) for block in section.blocks),
        id=section.anchor,
        aria_labelledby=f"{section.anchor}-title",
    )


def _block(block: Block, figures: Iterator[int]) -> str:
    match block:
        case Heading():
            return "\n" + element("h3", escape(block.text))
        case Paragraph():
            return "\n" + element("p", escape(block.text), class_=block.kind or None)
        case Table():
            return "\n" + _table(block)
        case Figure():
            return "\n" + _figure(block, next(figures))
        case Details():
            inside = (_block(part, figures) for part in block.blocks)
            return "\n" + element("details", element("summary", escape(block.summary)), *inside)


def _figure(figure: Figure, number: int) -> str:
    table = _table(figure.table)
    if len(figure.table.rows) > _FEW_ROWS:
        table = element("details", element("summary", "The figures of this plot"), table)
    return element(
        "figure",
        element("div", figure.drawing.render(figure.title, f"figure-{number}"), class_="frame"),
        element(
            "figcaption",
            element("b", f"Figure {number}. {escape(figure.title)}."),
            f" {escape(figure.caption)}",
        ),
        table,
    )


def _table(table: Table) -> str:
    columns = range(len(table.head))
    numeric = [all(_NUMBER.fullmatch(row[i]) for row in table.rows) for i in columns]
    kinds = ["n" if i and numeric[i] else None for i in columns]
    head = element(
        "tr", *(element("th", escape(table.head[i]), scope="col", class_=kinds[i]) for i in columns)
    )
    rows = (
        element(
            "tr",
            element("th", escape(row[0]), scope="row"),
            *(element("td", escape(row[i]), class_=kinds[i]) for i in columns[1:]),
        )
        for row in table.rows
    )
    wide = len(table.head) > _FEW_COLUMNS
    whole = element(
        "table",
        element("caption", escape(table.caption)),
        element("thead", head),
        element("tbody", *rows),
    )
    # a frame that scrolls must be reachable by keyboard
    return element(
        "div",
        whole,
        class_="frame",
        role="region" if wide else None,
        tabindex="0" if wide else None,
        aria_label=table.caption if wide else None,
    )
