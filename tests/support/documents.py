"""Markdown documents: texts that leave something open, and what a strict reader sees."""

from __future__ import annotations

from itertools import pairwise

from markdown_it import MarkdownIt

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OPEN = [
    "Code:\n```python\nprint(1)",
    "```\na\n```\n\n```\nb",
    "````\n```\nnested\n```",
    "~~~\n```\n~~~x",
    "   ~~~~~ info\ntext\n~~~",
    "```",
    "`````\n````",
    "Text.\n\n<!-- a remark",
    "<pre>\ntext",
    "<script>\nlet x\n\nlet y",
    "<style>\n\na {}",
    "<?php\n\necho",
    "<![CDATA[\n\nx",
    "<!DOCTYPE html",
]


def heads(text: str) -> list[str]:
    """The text of every heading of the document's own level."""
    tokens = MARKDOWN.parse(text)
    return [
        tokens[at + 1].content
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]


def cells(text: str) -> list[str]:
    """What the cells of its tables show."""
    tokens = MARKDOWN.parse(text)
    return [
        "".join(part.content for part in token.children or ())
        for before, token in pairwise(tokens)
        if before.type in ("th_open", "td_open")
    ]


def emphasised(text: str) -> list[str]:
    """What it shows in italics."""
    parts = [part for token in MARKDOWN.parse(text) for part in token.children or ()]
    return [part.content for before, part in pairwise(parts) if before.type == "em_open"]
