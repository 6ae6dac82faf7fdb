"""`plocal eval windows` and `plocal ask --draws`: from people or from draws to questions with viewpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.tasks import TASKS
from tests.cli.test_positions import BAN, BOTH, FREE, model
from tests.evaluation.test_deliberations import export
from tests.support.command_line import Run

__all__ = ["export", "model"]  # fixtures

TASK = TASKS["overton-window"]


def test_the_command_writes_what_the_task_reads(run: Run, export: Path, tmp_path: Path) -> None:
    said = run("eval", "windows", str(export), "-o", str(tmp_path / "w.jsonl"), "--json").json()
    assert said == {"file": str(tmp_path / "w.jsonl"), "questions": 2, "viewpoints": 4, "reasonable": 3}
    first, second = read_samples(TASK, tmp_path / "w.jsonl")
    assert [it.text for it in TASK.viewpoints(first)] == [
        "Phones should be banned in class.",
        "Let every parent decide, please.",
        "Pupils with phones must be expelled.",
    ]
    assert [it.reasonable for it in TASK.viewpoints(first)] == [True, True, False]
    assert second.question == "Why so?"
    assert run("eval", "windows", str(export), "-o", "x", "--support", "0.9").code == 2


def test_the_deliberation_is_never_written_over(run: Run, export: Path) -> None:
    before = export.read_bytes()
    ran = run("eval", "windows", str(export), "-o", str(export.parent / "." / export.name))
    assert ran.code == 2 and "is the deliberation itself" in ran.err
    assert export.read_bytes() == before


def test_drawn_comments_are_counted_below_the_answer(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--draws", "3", *BOTH)
    assert ran.code == 0 and "--draws 3: 6 comments of together at most 1,200 tokens" in ran.err
    lines = ran.out.splitlines()
    at = lines.index("Drawn comments, model estimate, not a survey of people")
    assert lines[at + 2].split()[-2:] == ["3", "·"] and "50 %" in lines[at + 2]
    assert max(map(len, lines)) <= 80 and "\x1b" not in ran.out
    page = run("ask", "-m", model, "--draws", "3", "--format", "md", *BOTH).out
    assert "| position | pool | farmers | fishers |" in page


def test_a_result_with_draws_is_a_question_with_viewpoints(run: Run, model: str, tmp_path: Path) -> None:
    record = run("ask", "--json", "-m", model, "--draws", "3", *BOTH).json()
    assert [(it["text"], it["share"]) for it in record["draws"]["positions"]] == [(BAN, 0.5), (FREE, 0.5)]
    assert record["draws"]["positions"][0]["voices"]["farmers"]["count"] == 3
    (tmp_path / "drawn.jsonl").write_text(json.dumps(record) + "\n")
    (sample,) = read_samples(TASK, tmp_path / "drawn.jsonl")
    assert sample.question == "Ban phones?"
    assert [(it.text, it.weight, it.reasonable) for it in TASK.viewpoints(sample)] == [
        (BAN, 0.5, True),
        (FREE, 0.5, True),
    ]


def test_the_plan_says_what_draws_cost(run: Run, model: str) -> None:
    plan = run("ask", "--dry-run", "--json", "-m", model, "--draws", "10", *BOTH).json()
    assert plan["draws"] == {"comments": 20, "tokens": 4000, "comparisons": 760}
    assert "20 comments" in run("ask", "--dry-run", "-m", model, "--draws", "10", *BOTH).out
    assert run("ask", "--dry-run", "--json", "-m", model, *BOTH).json()["draws"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--draws", "1"), "at least 2 comments"),
        (("--draws", "-3"), "at least 2 comments"),
        (("--draws", "61"), "61 comments of 2 communities are 122, and at most 120"),
        (("--draws", "3", "--mode", "vanilla"), "--draws is about the positions of comments"),
    ],
)
def test_draws_that_cannot_be_are_refused(run: Run, model: str, options: tuple[str, ...], said: str) -> None:
    ran = run("ask", "-m", model, *options, *BOTH)
    assert ran.code == 2 and said in ran.err


@pytest.mark.parametrize("number", ["1", "-2", "121"])
def test_the_chat_checks_them_before_anything_is_opened(run: Run, number: str) -> None:
    ran = run("chat", "--draws", number)
    assert ran.code == 2 and "comments" in ran.err and "terminal" not in ran.err
