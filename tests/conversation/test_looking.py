"""What is told while something is found out about an answer."""

from __future__ import annotations

import pytest

from pluralism_local.engine.base import never
from pluralism_local.entailment import entailment
from pluralism_local.settings import Settings


@pytest.mark.usefixtures("starter_path")
def test_the_scorer_says_that_it_is_opened_and_then_that_it_is() -> None:
    said: list[str] = []
    with entailment(Settings(plan="fixed"), (), said.append) as scorer:
        assert scorer is not None and said == []
        scorer([("Phones distract pupils.", "Phones distract.")], never)
        assert said[0].startswith("reading ") and said[-1] == ""
        before = len(said)
        scorer([("Phones distract pupils.", "Phones help.")], never)
    assert len(said) == before
