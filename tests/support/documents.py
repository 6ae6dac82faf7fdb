"""Markdown documents: texts that leave something open, and what a strict reader sees."""

from __future__ import annotations

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
