"""A task's facts stand with it: nothing else knows a task by its name, and every task is whole."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pluralism_local
from pluralism_local.evaluation.parsing import NONE
from pluralism_local.evaluation.report.measures import MEASURES, measure
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.modes.options import letters

PACKAGE = Path(pluralism_local.__file__).parent
RECIPES = PACKAGE.parent / "recipes"
ALLOWED = {"pluralism_local/bench/evaluation.py": "it measures the speed of one task"}


def test_nothing_else_recognises_a_task_by_its_name() -> None:
    beginnings = {f"{name.partition('-')[0]}-" for name in TASKS}
    naming = {
        file.relative_to(PACKAGE.parent).as_posix()
        for folder in (PACKAGE, RECIPES)
        for file in folder.rglob("*.py")
        if file.parent != PACKAGE / "evaluation" / "tasks"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and (node.value in TASKS or node.value in beginnings)
    }
    assert naming <= ALLOWED.keys()
    for file in PACKAGE.rglob("*.py"):  # nor by its class, nor what is in its file
        if file.parent != PACKAGE / "evaluation" / "tasks":
            imported = {
                node.module
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.ImportFrom) and node.module
            }
            own = {one for one in imported if one.startswith("pluralism_local.evaluation.tasks.")}
            assert {one.rpartition(".")[2] for one in own} <= {"base", "facts", "rows"}, file


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_whole(name: str) -> None:
    task = TASKS[name]
    assert task.headline and task.about and task.version >= 1
    assert all(measure(metric).label != metric for metric in task.columns)
    for partition in task.partitions:
        assert partition.figure is None or partition.figure[0] in MEASURES
        assert bool(partition.beside) == bool(partition.parts)
        assert all(metric in MEASURES for metric in partition.beside)
    assert len({partition.name for partition in task.partitions}) == len(task.partitions)
    for parts in task.papers.parts.values():
        assert parts
    if task.answers == "label":
        assert task.undecided in (None, *letters(3))
        assert task.read_label("B. Oppose") == "B" and task.read_label("?") == NONE


def test_metrics_of_parts_are_called_after_them() -> None:
    assert measure("js_distance_by_country").name == "J–S distance, mean of countries"
    assert measure("js_distance_low").name == "J–S distance at low ambiguity"
    assert measure("most_likely_accuracy_by_category").label == (
        "accuracy of the most likely option, mean of categories (share)"
    )
    assert measure("js_distance_by_moon").label == "js_distance_by_moon"
