"""Statements made fit to stand alone, whatever a model wraps them in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.deliberation.statements import proposed, tidy_statement


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        ("Schools should decide.", "Schools should decide."),
        ('"Schools should decide."', "Schools should decide."),
        ("Statement: Schools should decide.\nI hope this helps!", "Schools should decide."),
        ("**My statement:** **Schools should decide.**", "Schools should decide."),
        ("\n\n One. Two! Three.", "One. Two!"),
        ("Schools should decide. But only if the par", "Schools should decide."),
        ("Schools should decide if the par", "Schools should decide if the par"),
        ("Statement:\n\nSchools should decide.", "Schools should decide."),
        ("学校应该自己决定。", "学校应该自己决定。"),
        (
            "As a progressive senator, I believe that schools should decide. I think that is fair.",
            "Schools should decide. I think that is fair.",
        ),
        (" \n ", ""),
    ],
)
def test_the_statement_is_taken_out(words: str, statement: str) -> None:
    assert tidy_statement(words) == statement


def test_the_same_statement_has_several_authors() -> None:
    texts = [
        ("left", "Schools decide."),
        ("center", "schools decide"),
        ("right", "…"),
        ("llm", "Parents decide."),
    ]
    assert proposed(texts) == {"Schools decide.": ("left", "center"), "Parents decide.": ("llm",)}


@given(st.text())
def test_any_text_gives_one_line(text: str) -> None:
    statement = tidy_statement(text)
    assert statement == " ".join(statement.split())
