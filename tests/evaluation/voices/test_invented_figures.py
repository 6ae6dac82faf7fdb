"""Numbers that nobody told a comment."""

from __future__ import annotations

import pytest

from pluralism_local.evaluation.voices.invented_figures import invented_figures


@pytest.mark.parametrize(
    ("text", "sources", "figures"),
    [
        ("47 percent of schools", (), ["47"]),
        ("15 dollars an hour, not 12", ("Should it be 15 dollars?",), ["12"]),
        ("about 1,000 people", ("1000 people",), []),
        ("it rose by 2.5 percent in 1999", (), ["2.5", "1999"]),
        ("1. First\n2) Second\n(3) Third", (), []),
        ("In 2. place", (), ["2"]),
        ("47, 47 and 47", (), ["47"]),
        ("two thirds of us", (), []),
    ],
)
def test_numbers_that_nobody_told(text: str, sources: tuple[str, ...], figures: list[str]) -> None:
    assert invented_figures(text, sources) == figures
