"""`plocal eval` over a model that answers nothing it was asked: counted, told, and no score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.runner import read_results
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.evaluation.tasks import TASKS
from tests.support.command_line import Run
from tests.support.rows import write
from tests.support.samples import MAKERS

WEIGHED = [name for name, task in TASKS.items() if task.answers != "text" and task.heard]
NOTHING = [{"match": "", "mass": {"<think>": 0.99}}]


def evaluate(run: Run, folder: Path, task: str, script: dict[str, Any], *more: str, count: int = 4) -> Any:
    """`plocal eval run --json` over rows of a task, by a scripted model."""
    data = write(folder / "rows.json", [MAKERS[task](i) for i in range(count)])
    file = folder / "script.json"
    file.write_text(json.dumps(script))
    methods = ("--method", "ours", "--method", "moe", "--method", "vanilla", "--method", "uniform")
    chosen = () if "--method" in more else methods
    return run(
        *("eval", "run", "--task", task, "--data", str(data), "--output", str(folder / "RUN"), "--json"),
        *("-m", f"scripted:{file}", "--communities-model", "scripted:", "--comment-max-tokens", "4"),
        *chosen,
        *more,
    )


@pytest.mark.parametrize("task", WEIGHED)
def test_a_method_that_is_all_stand_in_has_no_score(task: str, run: Run, tmp_path: Path) -> None:
    ran = evaluate(run, tmp_path, task, {"distributions": NOTHING})
    assert ran.code == 6
    assert "No score for ours, moe, vanilla" in ran.err
    record = ran.json()
    for name in ("ours", "moe", "vanilla"):
        figures = {key: one["value"] for key, one in record["methods"][name].items() if key != "counts"}
        assert set(figures.values()) == {None}
        assert record["basis"][name]["stand_ins"] == 4
        assert record["basis"][name]["distributions"] == {"uniform": 4}
        assert record["basis"][name]["outside"] == 1
        assert f"{name}: no score, for 4 of 4 answers are a stand-in" in " ".join(record["remarks"])
    assert "uniform" not in record["basis"]  # a control and no stand-in
    chance = record["methods"]["uniform"]
    assert all(one["value"] is not None for key, one in chance.items() if key in ("js_distance", "accuracy"))
    kept = read_journal(tmp_path / "RUN" / "samples.jsonl")
    assert {(one["distribution_method"], one["stand_in"], one["unassigned_mass"]) for one in kept} == {
        ("uniform", 1.0, 1.0)
    }


def test_every_place_that_shows_scores_says_so(run: Run, tmp_path: Path) -> None:
    task = "distributional-globalopinionqa"
    some = [
        {"match": "Passage", "mass": {"A": 0.2, "B": 0.3}},
        {"match": "Expert", "mass": {"1": 0.2}},
        *NOTHING,
    ]
    assert evaluate(run, tmp_path, task, {"distributions": some}).code == 6
    folder = str(tmp_path / "RUN")
    shown = run("eval", "show", folder)
    assert shown.code == 6
    first, *others = [line for line in shown.out.splitlines() if line.startswith("vanilla ")]
    assert "no score" in first and any(line.endswith("1.000") for line in others)  # below it
    assert "vanilla: no score, for 4 of 4 answers are a stand-in" in shown.out
    compared = run("eval", "compare", folder, "ours", "vanilla")
    assert (compared.code, "No difference: vanilla has no score." in compared.out) == (6, True)
    assert run("eval", "compare", folder, "ours", "vanilla", "--json").json()["differences"] == {}
    assert run("eval", "compare", folder, "ours", "moe").code == 0
    assert run("eval", "report", folder, "-o", str(tmp_path / "report.html")).code == 0
    page = (tmp_path / "report.html").read_text()
    assert "vanilla: no score, for 4 of 4 answers are a stand-in" in page
    assert "How the answers came about" in page


def test_a_part_of_stand_ins_is_scored_and_counted(run: Run, tmp_path: Path) -> None:
    one = [{"match": "thing 1?", "mass": {"Z": 0.9}}, {"match": "", "mass": {"A": 0.2, "B": 0.3, "1": 0.1}}]
    ran = evaluate(run, tmp_path, "distributional-globalopinionqa", {"distributions": one})
    assert ran.code == 0
    record = ran.json()
    assert record["methods"]["vanilla"]["js_distance"]["value"] is not None
    assert record["basis"]["vanilla"]["stand_ins"] == 1
    assert (
        "vanilla: 1 of 4 answers is a stand-in, since no option had any probability; even shares are scored in its "
        "place." in record["remarks"]
    )


def test_some_of_the_communities_stand_in(run: Run, tmp_path: Path) -> None:
    script = {
        "distributions": [
            {"match": "Passage: Aye", "mass": {"Z": 0.9}},
            {"match": "", "mass": {"A": 0.2, "B": 0.2}},
        ],
    }
    said = tmp_path / "said.json"
    said.write_text(json.dumps({"replies": [{"match": "the farmers", "text": "Aye"}]}))
    record = evaluate(
        run,
        tmp_path,
        "distributional-moralchoice",
        script,
        "--communities-model",
        f"scripted:{said}",
        "--method",
        "ours",
    ).json()
    assert (record["basis"]["ours"]["stand_ins"], record["basis"]["ours"]["partly"]) == (0, 4)
    kept = read_journal(tmp_path / "RUN" / "samples.jsonl")
    assert {(one["distribution_method"], one["stand_in"]) for one in kept} == {("uniform", 0.5)}


def test_a_stand_in_is_no_label(run: Run, tmp_path: Path) -> None:
    one = [{"match": "thing 1\n", "mass": {"Z": 0.9}}, {"match": "", "mass": {"B": 0.3, "1": 0.1}}]
    ran = evaluate(run, tmp_path, "steerable-vk", {"distributions": one}, "--method", "vanilla")
    assert ran.json()["methods"]["vanilla"]["counts"]["unparsed"] == 1
    kept = read_results(tmp_path / "RUN")[0]["vanilla"]
    assert sorted(str(found.output) for found in kept.values() if isinstance(found, Prediction)) == [
        "B",
        "B",
        "B",
        "None",
    ]


def test_a_choice_that_nobody_made_is_counted(run: Run, tmp_path: Path) -> None:
    script = {
        "replies": [{"match": "", "text": "None of them."}],
        "distributions": [
            {"match": "from 1 to", "mass": {"Z": 1}},
            {"match": "", "mass": {"A": 0.4, "B": 0.4}},
        ],
    }
    record = evaluate(run, tmp_path, "steerable-opinionqa", script).json()
    for name in ("ours", "moe"):
        assert record["basis"][name]["unchosen"] == 4
        assert (
            f"{name}: in 4 of 4 samples the LLM named no community, and the first by weight was taken."
            in record["remarks"]
        )
    assert {
        one["selection_method"]
        for one in read_journal(tmp_path / "RUN" / "samples.jsonl")
        if "selection" in one
    } == {"fallback"}


def test_a_choice_of_several_is_counted(run: Run, tmp_path: Path) -> None:
    script = {
        "replies": [{"match": "", "text": "Comment 1 or comment 2."}],
        "distributions": [
            {"match": "from 1 to", "mass": {"Z": 1}},
            {"match": "", "mass": {"A": 0.4, "B": 0.4}},
        ],
    }
    record = evaluate(run, tmp_path, "steerable-opinionqa", script, "--method", "ours").json()
    assert record["basis"]["ours"]["unclear"] == 4
    assert record["remarks"] == [
        "ours: in 4 of 4 samples the LLM named several communities, and the last was taken."
    ]
    assert {one["selection_method"] for one in read_journal(tmp_path / "RUN" / "samples.jsonl")} == {
        "unclear"
    }


def test_exported_stand_ins_stay_stand_ins(run: Run, tmp_path: Path) -> None:
    for task in ("distributional-moralchoice", "steerable-vk"):
        folder = tmp_path / task
        folder.mkdir()
        evaluate(run, folder, task, {"distributions": NOTHING}, "--method", "vanilla")
        file = str(folder / "answers.json")
        assert run("eval", "export", str(folder / "RUN"), "vanilla", file).code == 0
        ran = run("eval", "score", "--task", task, file, "--json")
        assert (ran.code, ran.json()["basis"]["stand_ins"]) == (6, 4)
        assert "4 of 4 answers are a stand-in" in ran.err
