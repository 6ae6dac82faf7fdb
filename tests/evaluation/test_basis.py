"""Answers that are none: unreadable labels, empty responses; and what earlier versions kept of answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.evaluation.basis import remarks
from pluralism_local.evaluation.coverage import Coverage
from pluralism_local.evaluation.runner import results
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.evaluation.scoring import score
from pluralism_local.evaluation.tasks import TASKS
from tests.support.samples import read


def test_labels_that_name_no_option_are_no_score(tmp_path: Path) -> None:
    task = TASKS["steerable-vk"]
    samples = read(task.name, tmp_path, 3)
    none = score(task, samples, [Prediction(output="I cannot say")] * 3)
    assert none.flat()["accuracy"] is None
    assert none.values == {}
    some = score(
        task, samples, [Prediction(output="I cannot say"), Prediction(output="A"), Prediction(output="A")]
    )
    assert some.flat()["accuracy"] == pytest.approx(2 / 3)
    assert some.basis is not None
    assert remarks(task.name, {"vanilla": some.basis.record()}) == [
        "vanilla: 1 of 3 answers is unreadable, naming no option, and counted as wrong."
    ]


def test_empty_responses_alone_are_no_score(tmp_path: Path) -> None:
    task = TASKS["overton-nli"]
    samples = read(task.name, tmp_path, 2)
    nothing, something = Coverage(0.0, 0.0, 0), Coverage(0.5, 0.4, 1)
    said = [Prediction(output=""), Prediction(output="Yes.")]
    assert score(task, samples, said, coverage=[nothing, nothing]).flat()["coverage"] is None
    assert score(task, samples, said, coverage=[nothing, something]).flat()["coverage"] == 0.25


def test_runs_of_earlier_versions_are_read() -> None:
    record = {"id": "a", "method": "vanilla", "pred_distribution": [0.5, 0.5], "unassigned_mass": 0.25}
    assert results([record]) == {"vanilla": {"a": Prediction((0.5, 0.5), None, 0.25)}}
