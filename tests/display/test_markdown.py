"""Texts within Markdown documents: shown as they are, and none takes the rest of the document along."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.display.markdown import closing, inline, quote
from tests.support.documents import MARKDOWN, OPEN, heads

CLOSED = [
    "Yes.",
    "```\ncode\n```",
    "~~~\n```\n~~~",
    "- a list\n  ```\n  code in its item",
    "> quoted\n> ```\n> code",
    "Inline ``` code ``` here",
    "a < b and ``` too",
    "<details>\nopen",
    "    ```\n    indented",
    "1. One\n\n   ~~~\n   code",
    "<!-- a remark -->",
    "| a | b |\n| - | - |\n| 1 | 2 |",
]


@pytest.mark.parametrize("text", OPEN)
def test_what_is_left_open_is_ended(text: str) -> None:
    assert heads(f"{text}\n\n### Heard\n") == []
    assert heads(f"{text}{closing(text)}\n\n### Heard\n") == ["Heard"]


@pytest.mark.parametrize("text", CLOSED)
def test_what_is_closed_stays_as_it_is(text: str) -> None:
    assert closing(text) == "" and heads(f"{text}\n\n### Heard\n") == ["Heard"]


LINES = st.sampled_from(
    ["```", "````", "~~~", "~~~~", "   ```", "    ```", "```py", "``` a`b", "- ```", "  ```", "> ~~~", ">", "", "x",
     "  text", "1. ```", "\t```", "<!--", "-->", "<pre>", "</pre>", "<div>", "<b", "| a |", "| - |", "# x", "***"]
)  # fmt: skip


@given(st.lists(LINES, max_size=12))
def test_what_follows_is_never_part_of_it(lines: list[str]) -> None:
    text = "\n".join(lines).strip()
    assert heads(f"{text}{closing(text)}\n\n### Heard\n")[-1:] == ["Heard"]


PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40)


@given(PLAIN)
def test_one_line_of_any_text_is_shown_as_it_is(text: str) -> None:
    wanted = " ".join(text.split())
    if not wanted:
        return
    for document in (f"**Chosen:** {inline(text)}\n", f"| h | h |\n| - | - |\n| {inline(text)} | x |\n"):
        shown = html.unescape(re.sub(r"<[^>]*>", "", MARKDOWN.render(document)))
        assert wanted in shown


@given(st.lists(LINES, max_size=8))
def test_a_quotation_ends_with_its_last_line(lines: list[str]) -> None:
    text = quote("\n".join(lines))
    assert all(line.startswith(">") for line in text.splitlines())
    assert heads(f"{text}\n\n### Heard\n")[-1:] == ["Heard"]
