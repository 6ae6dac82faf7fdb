"""Accuracy by hand and by other libraries."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.nli.base import LABELS, EntailmentScores, Label, NliPair, NliScorer
from pluralism_local.evaluation.nli.check import check
from pluralism_local.evaluation.nli.data import LabelledPair


class _Fixed:
    """Scores by a table; every pair whose premise is long counts as cut."""

    name, identity = "fixed", "abc"

    def __init__(self, table: dict[str, tuple[float, float, float]]) -> None:
        self._table, self.truncated = table, 5

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        self.truncated += sum(len(pair.premise) > 5 for pair in pairs)
        return np.array([self._table[pair.hypothesis] for pair in pairs]).reshape(-1, 3)


SCORER: NliScorer = _Fixed(
    {"e": (0.5, 0.3, 0.2), "n": (0.1, 0.8, 0.1), "c": (0.2, 0.3, 0.5), "tie": (0.2, 0.4, 0.4)}
)


def row(said: str, gold: Label, premise: str = "p") -> LabelledPair:
    return LabelledPair(NliPair(premise, said), gold)


def test_counts_by_hand() -> None:
    rows = [
        row("e", "entailment"),
        row("n", "entailment"),
        row("tie", "neutral", premise="longer"),  # the first of equals
        row("c", "neutral"),
        row("n", "neutral"),
    ]
    found = check(SCORER, rows, skipped=3)
    assert found["n"] == 5 and found["accuracy"] == 3 / 5
    assert found["recall"] == {"entailment": 1 / 2, "neutral": 2 / 3, "contradiction": None}
    assert found["confusion"]["entailment"] == {"entailment": 1, "neutral": 1, "contradiction": 0}
    assert found["confusion"]["neutral"] == {"entailment": 0, "neutral": 2, "contradiction": 1}
    assert (found["skipped"], found["truncated"]) == (3, 1)
    assert (found["scorer"], found["identity"]) == ("fixed", "abc")
    assert json.loads(json.dumps(found)) == found


def test_progress_is_told_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("enc"[i % 3], LABELS[i % 2], premise=f"p{i % 4}") for i in range(10)]
    whole = check(SCORER, rows)
    monkeypatch.setattr("pluralism_local.evaluation.nli.check.REPORTED", 4)
    told: list[tuple[int, int]] = []
    assert check(SCORER, rows, progress=lambda done, total: told.append((done, total))) == whole
    assert told == [(0, 10), (4, 10), (8, 10), (10, 10)]


def test_nothing_to_check_has_no_accuracy() -> None:
    found = check(SCORER, [])
    assert (found["n"], found["accuracy"], found["interval"]) == (0, None, None)


def test_as_scikit_learn_has_it() -> None:
    rng = np.random.default_rng(0)
    gold, said = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    found = check(SCORER, [row("enc"[s], LABELS[g]) for g, s in zip(gold, said, strict=True)])
    assert found["accuracy"] == pytest.approx(accuracy_score(gold, said), abs=1e-12)
    np.testing.assert_allclose(
        [*found["recall"].values()], recall_score(gold, said, average=None), atol=1e-12
    )
    table = [[*counts.values()] for counts in found["confusion"].values()]
    np.testing.assert_array_equal(table, confusion_matrix(gold, said))
