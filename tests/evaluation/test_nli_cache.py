"""Entailment scores are kept as they come; what is known is not scored again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import Cancelled
from pluralism_local.evaluation import nli_cache
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores
from pluralism_local.evaluation.nli_cache import RememberedNli


class Lengths:
    """Scores by the texts' lengths, and counts what it was asked."""

    name, identity, truncated = "lengths", "0" * 64, 0

    def __init__(self) -> None:
        self.asked: list[NliPair] = []

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        self.asked += pairs
        rows = [[len(pair.premise), len(pair.hypothesis), 1] for pair in pairs]
        table: EntailmentScores = np.array(rows, dtype=np.float64)
        table /= table.sum(axis=1, keepdims=True)
        return table


PAIRS = [NliPair("p" * (1 + i % 4), "h" * (1 + i % 3)) for i in range(12)]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nli_cache, "BATCH", 5)


def test_scores_and_progress_with_and_without_a_journal(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    plain = RememberedNli(Lengths(), None, lambda done, total: told.append((done, total)))
    found = plain.score([*PAIRS, PAIRS[0]])
    assert found == pytest.approx(Lengths().score([*PAIRS, PAIRS[0]]), abs=1e-6)
    assert told == [(0, 12), (5, 12), (10, 12), (12, 12)]
    with Journal(tmp_path / "nli.jsonl") as journal:
        assert (RememberedNli(Lengths(), journal).score([*PAIRS, PAIRS[0]]) == found).all()
    plain.score(PAIRS)
    assert len(told) == 4  # nothing left to do, nothing to tell


def test_a_stop_keeps_whole_batches_and_the_rest_is_scored_later(tmp_path: Path) -> None:
    polls = iter([False, True])
    first, second = Lengths(), Lengths()
    with Journal(tmp_path / "nli.jsonl") as journal, pytest.raises(Cancelled):
        RememberedNli(first, journal).score(PAIRS, should_stop=lambda: next(polls))
    with Journal(tmp_path / "nli.jsonl") as journal:
        found = RememberedNli(second, journal).score(PAIRS)
    assert (len(first.asked), len(second.asked)) == (5, 7)
    assert set(first.asked) | set(second.asked) == set(PAIRS)
    assert found == pytest.approx(Lengths().score(PAIRS), abs=1e-6)
