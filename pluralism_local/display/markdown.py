"""Texts of models and people as parts of a Markdown document, so that none of them takes the rest of it along.

    "a *b* <c>" ──inline──> one line that shows it        "a\\nb" ──quote──> "> a\\n> b"
    an answer that ends within a code block or an HTML comment ──closing──> what ends it

Both writers of documents, the history's and the command line's, use these.
"""

from __future__ import annotations

import re

from pluralism_local.display.figures import clean

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$])")
_PROBE = "plocal-probe"
_HTML_ENDS = ("-->", "?>", "]]>", "</script>", "</pre>", "</style>", "</textarea>", ">")
"""What ends the kinds of HTML that go on beyond blank lines (CommonMark 0.31, section 4.6)."""


def inline(text: str) -> str:
    """`text` on one line, its characters of markup escaped."""
    return _MARKUP.sub(r"\\\1", " ".join(clean(text).split()))


def quote(text: str) -> str:
    """`text` as a quotation, line by line, so that nothing in it breaks the frame; without empty lines around it."""
    lines = clean(text).strip().splitlines() or [""]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def closing(text: str) -> str:
    """What to put behind a text that stands as it is, so that what follows is no part of it; "" for most texts.

    A code block is ended by a fence as long as its own, on a line of its own.
    """
    if "```" not in text and "~~~" not in text and "<" not in text:
        return ""
    ends = ("", *(f"\n{end}" for end in (*_last_fence(text), *_HTML_ENDS)))
    return next((end for end in ends if _is_closed(text + end)), "")


def _is_closed(text: str) -> bool:
    """Whether a paragraph that follows is one of its own."""
    from markdown_it import MarkdownIt

    last = MarkdownIt("commonmark").enable("table").parse(f"{text}\n\n{_PROBE}\n")[-3:]
    return [token.type for token in last] == ["paragraph_open", "inline", "paragraph_close"] and (
        last[0].level == 0 and last[1].content == _PROBE
    )


def _last_fence(text: str) -> list[str]:
    """The fence of its last code block, if it has one."""
    from markdown_it import MarkdownIt

    return [token.markup for token in MarkdownIt("commonmark").parse(text) if token.type == "fence"][-1:]
