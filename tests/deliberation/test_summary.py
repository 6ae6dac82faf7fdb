"""A jury in sentences: whose a statement is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pluralism_local.deliberation.summary import authors
from tests.deliberation.test_verdict import judged


@pytest.mark.parametrize(
    ("revision", "by"),
    [
        (None, ["the LLM", "right, center", "left"]),
        ("bb", ["the revision", "right, center", "left"]),
        ("cc", ["the LLM", "right, center", "left"]),  # the LLM wrote it in the end, but they had proposed it
    ],
)
def test_a_statement_stays_of_those_who_proposed_it(revision: str | None, by: list[str]) -> None:
    agreement = replace(judged("maxmin"), revision=revision)
    assert [authors(agreement, place) for place in range(3)] == by


def test_a_statement_of_nobody_has_no_authors() -> None:
    agreement = judged("maxmin")
    nobodys = replace(agreement, statements=tuple(replace(it, by=()) for it in agreement.statements))
    assert authors(nobodys, 0) == ""
