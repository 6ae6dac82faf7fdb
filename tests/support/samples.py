"""Samples of tasks, read from rows that are made up."""

from __future__ import annotations

from pathlib import Path

from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.tasks import TASKS
from tests.support import rows
from tests.support.rows import write

MAKERS = {
    "overton-nli": rows.overton,
    "overton-window": rows.window,
    "steerable-vk": rows.value,
    "steerable-opinionqa": rows.opinion,
    "distributional-moralchoice": rows.moral,
    "distributional-globalopinionqa": rows.global_opinion,
}


def read(task: str, folder: Path, count: int) -> list[Sample]:
    folder.mkdir(parents=True, exist_ok=True)
    return read_samples(TASKS[task], write(folder / f"{task}.json", [MAKERS[task](i) for i in range(count)]))
