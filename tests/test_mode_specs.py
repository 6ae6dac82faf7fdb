"""A mode's facts stand in one table: nothing else knows a mode by its name, and every mode is listed everywhere."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

import pytest

import pluralism_local
from pluralism_local.cli.main import main
from pluralism_local.evaluation.methods import METHODS, WITH_COMMENTS
from pluralism_local.evaluation.report.measures import METHODS as DESCRIBED
from pluralism_local.mode_specs import DEFAULT, MODES, SPECS, ModeName, listed
from pluralism_local.modes import algorithm
from pluralism_local.settings import Settings
from pluralism_local.tui.transcript import modes

PACKAGE = Path(pluralism_local.__file__).parent
ALLOWED = {
    "mode_specs.py": "the table",
    "prompts.py": "a prompt has a mode's name",
    "evaluation/tasks/opinion_qa.py": "a task names the mode that is measured on it",
    "evaluation/tasks/value_kaleidoscope.py": "the same",
    "evaluation/tasks/moral_choice.py": "the same",
    "evaluation/tasks/global_opinion_qa.py": "the same",
    "evaluation/tasks/overton.py": "the same",
    "evaluation/tasks/facts.py": "the columns of the paper's tables",
    "evaluation/report/sections/distributions.py": "what ours is drawn beside",
    "evaluation/voices/comments.py": "it asks in one mode for its comments",
    "evaluation/voices/answers.py": "and for the answer to them",
    "evaluation/identity.py": "uses of wordings are called after them",
    "bench/measure.py": "it measures one mode",
}


def test_nothing_else_recognises_a_mode_by_its_name() -> None:
    naming = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and node.value in MODES
    }
    assert naming <= ALLOWED.keys()


@pytest.mark.parametrize("mode", MODES)
def test_a_line_is_whole(mode: ModeName) -> None:
    spec = SPECS[mode]
    assert inspect.isgeneratorfunction(algorithm(mode))
    assert spec.communities == ("comments" in spec.stages) and spec.stages[-1] == "answer"
    assert all(len(line) <= 44 for line in spec.welcome.splitlines())
    assert f"▸ {mode}" in modes(mode, 200).plain and " ".join(spec.welcome.split()) in modes(mode, 200).plain
    assert mode in (Settings.model_fields["mode"].description or "")
    assert (mode in METHODS) == (mode in DESCRIBED) == spec.baseline
    assert (mode in WITH_COMMENTS) == (spec.baseline and spec.communities)


def test_the_table_has_every_name_once() -> None:
    assert get_args(ModeName) == MODES == tuple(spec.name for spec in SPECS.values())
    assert DEFAULT in MODES


def test_help_lists_every_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(mode in text for mode in MODES)


def test_names_are_joined() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a or b", "a, b or c"]
