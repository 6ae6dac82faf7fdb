"""`plocal eval`: files scored, runs made, stopped, gone on with, compared and exported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.evaluation.journal import locked
from tests.support import rows
from tests.support.command_line import Run, plocal
from tests.support.rows import write

GLOBAL = "distributional-globalopinionqa"


def data(folder: Path, count: int = 20) -> str:
    return str(write(folder / "rows.json", [rows.global_opinion(i, "Spain") for i in range(count)]))


def test_tasks_are_listed(run: Run) -> None:
    assert [one["task"] for one in run("eval", "tasks", "--json").json()] == [
        "overton-nli",
        "overton-judge",
        "overton-window",
        "steerable-vk",
        "steerable-opinionqa",
        "distributional-moralchoice",
        "distributional-globalopinionqa",
        "values-relevance",
        "values-valence",
    ]
    assert "Value Kaleidoscope" in run("eval", "tasks").out


def test_score_prints_the_tasks_metrics_by_name(run: Run, tmp_path: Path) -> None:
    answers = [
        {**rows.moral(0), "pred_distribution": [1, 0]},
        {**rows.moral(1, "high"), "pred_distribution": [0.5, 0.5]},
    ]
    found = run(
        "eval",
        "score",
        "--task",
        "distributional-moralchoice",
        str(write(tmp_path / "a.json", answers)),
        "--json",
    )
    assert found.code == 0
    record = found.json()
    names = ("js_distance", "js_distance_low", "js_distance_high", "most_likely_accuracy", "n")
    assert [record[name] for name in names] == [0, 0, 0, 1, 2]
    labelled = [{**rows.value(0), "output": "A"}, {**rows.value(1, "B"), "output": "Support"}]
    record = run(
        "eval", "score", "--task", "steerable-vk", str(write(tmp_path / "b.json", labelled)), "--json"
    ).json()
    assert (record["accuracy"], record["balanced_accuracy"], record["n"]) == (0.5, 0.5, 2)
    assert record["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_score_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    half = [{**rows.moral(0), "pred_distribution": [1, 0]}, rows.moral(1)]
    file = str(write(tmp_path / "a.json", half))
    said = run("eval", "score", "--task", "distributional-moralchoice", file)
    assert said.code == 2 and "1 of 2 rows have no 'pred_distribution', the first is row 1" in said.err
    assert "--partial" in said.err
    partial = run("eval", "score", "--task", "distributional-moralchoice", file, "--partial", "--json")
    assert (partial.code, partial.json()["n"], partial.json()["missing"]) == (6, 1, 1)
    assert run("eval", "score", "--task", "overton-judge", file).code == 2
    assert run("eval", "score", "--task", "nope", file).code == 2
    assert run("eval", "score", "--task", "steerable-vk", str(tmp_path / "gone.json")).code == 3


def test_a_run_from_begin_to_export(run: Run, tmp_path: Path, own_home: Path) -> None:
    file = data(tmp_path)
    begun = run("eval", "run", "--task", GLOBAL, "--data", file, "--limit", "10", "--json")
    assert begun.code == 0, begun.err
    record = begun.json()
    assert (record["n"], record["wanted"], record["pool"]["id"]) == (10, 10, "village")
    assert list(record["methods"]) == ["ours", "moe", "vanilla", "prompting", "uniform", "shuffled"]
    ours = record["methods"]["ours"]["js_distance"]
    assert ours["low"] <= ours["value"] <= ours["high"]
    assert record["cost"]["ours"]["communities"]["completion"] > record["cost"]["vanilla"].get(
        "communities", {}
    ).get("completion", 0)
    listed = run("eval", "ls", "--json").json()
    assert [one["answered"]["ours"] for one in listed] == [10]
    assert all(len(line) <= 80 for line in run("eval", "ls").out.splitlines())
    name = listed[0]["run"]
    folder = own_home / "data" / "eval" / name
    assert json.loads((folder / "results.json").read_text()) == record
    assert run("eval", "show", name, "--json").json() == record
    shown = run("eval", "show", name).out
    assert "Lower is better: js_distance" in shown and "ours minus" in shown
    assert max(len(line) for line in shown.splitlines()[6:]) <= 80
    before = (folder / "samples.jsonl").read_bytes()
    again = run("eval", "run", "--task", GLOBAL, "--data", file, "--limit", "10", "--json")
    assert again.json() == record and (folder / "samples.jsonl").read_bytes() == before
    compared = run("eval", "compare", name, "ours", "vanilla", "--json").json()
    difference = ours["value"] - record["methods"]["vanilla"]["js_distance"]["value"]
    assert compared["differences"]["js_distance"]["value"] == pytest.approx(difference)
    assert record["differences"]["of"] == "ours"
    assert record["differences"]["minus"]["vanilla"] == compared["differences"]
    assert "beyond chance" in run("eval", "compare", name, "ours", "vanilla").out
    assert run("eval", "compare", name, "ours", "persona").code == 2
    exported = tmp_path / "out.json"
    assert run("eval", "export", name, "ours", str(exported)).code == 0
    written = json.loads(exported.read_text())
    assert [row["id"] for row in written] == list(range(10))
    assert written[0].keys() == rows.global_opinion(0).keys()
    scored = run("eval", "score", "--task", GLOBAL, str(exported), "--json").json()
    assert scored["js_distance"] == pytest.approx(ours["value"])
    piped = run("eval", "export", name, "ours", "-")
    assert json.loads(piped.out) == written


def test_resume_adds_a_method_and_keeps_the_rest(run: Run, tmp_path: Path) -> None:
    file = data(tmp_path)
    run(
        "eval",
        "run",
        "--task",
        GLOBAL,
        "--data",
        file,
        "--method",
        "vanilla",
        "--output",
        str(tmp_path / "r"),
    )
    grown = run("eval", "resume", str(tmp_path / "r"), "--method", "ours", "--json")
    assert grown.code == 0 and list(grown.json()["methods"]) == ["ours", "vanilla"]
    assert run("eval", "resume", str(tmp_path / "none")).code == 3


@pytest.mark.parametrize(
    ("changed", "what"),
    [(("--seed", "7"), "comment.seed"), (("--pool", "coast"), "pool.id"), (("--limit", "3"), "samples.n")],
)
def test_a_folder_of_another_run_is_refused(
    run: Run, tmp_path: Path, changed: tuple[str, ...], what: str
) -> None:
    base = (
        "eval",
        "run",
        "--task",
        GLOBAL,
        "--data",
        data(tmp_path),
        "--method",
        "ours",
        "--output",
        str(tmp_path / "r"),
    )
    assert run(*base).code == 0
    before = (tmp_path / "r" / "samples.jsonl").read_bytes()
    refused = run(*base, *changed)
    assert refused.code == 4 and what in refused.err
    assert (tmp_path / "r" / "samples.jsonl").read_bytes() == before


def test_data_that_changed_is_refused(run: Run, tmp_path: Path) -> None:
    file = data(tmp_path)
    assert (
        run(
            "eval",
            "run",
            "--task",
            GLOBAL,
            "--data",
            file,
            "--method",
            "vanilla",
            "--output",
            str(tmp_path / "r"),
        ).code
        == 0
    )
    write(Path(file), [rows.global_opinion(i, "Kenya") for i in range(20)])
    assert run("eval", "show", str(tmp_path / "r")).code == 4
    assert run("eval", "resume", str(tmp_path / "r")).code == 4


def test_a_run_that_another_process_writes(run: Run, tmp_path: Path) -> None:
    with locked(tmp_path / "r"):
        said = run("eval", "run", "--task", GLOBAL, "--data", data(tmp_path), "--output", str(tmp_path / "r"))
    assert said.code == 4 and "is writing" in said.err


def test_bad_options_and_rows(run: Run, tmp_path: Path) -> None:
    file = data(tmp_path)
    base = ("eval", "run", "--task", GLOBAL, "--data", file)
    assert "Give --limit" in run(*base, "--sample", "3").err
    unknown = run(*base, "--method", "our")
    assert unknown.code == 2 and "Did you mean 'ours'?" in unknown.err
    bad = [rows.global_opinion(0), {**rows.global_opinion(1), "gold_distribution": [1, 0]}]
    said = run("eval", "run", "--task", GLOBAL, "--data", str(write(tmp_path / "bad.json", bad)), "--json")
    assert said.code == 2
    assert said.json()["error"]["message"].startswith(
        "bad.json, row 1 (id 1): 'gold_distribution' has 2 numbers"
    )
    odd = [rows.global_opinion(0, "Spian")]
    assert (
        "do not have: Spian"
        in run("eval", "run", "--task", GLOBAL, "--data", str(write(tmp_path / "odd.json", odd))).err
    )


def test_samples_are_drawn_by_what_they_say(run: Run, tmp_path: Path) -> None:
    file = data(tmp_path, 40)

    def ids(*extra: str) -> list[int]:
        out = tmp_path / "-".join(extra)
        run(
            "eval",
            "run",
            "--task",
            GLOBAL,
            "--data",
            file,
            "--method",
            "vanilla",
            "--output",
            str(out),
            *extra,
        )
        return [row["id"] for row in json.loads(run("eval", "export", str(out), "vanilla", "-").out)]

    five, ten = ids("--limit", "5", "--sample", "1"), ids("--limit", "10", "--sample", "1")
    assert ten[:5] == five != ids("--limit", "5", "--sample", "2") and five != [0, 1, 2, 3, 4]


def test_dry_run_estimates_and_keeps_nothing(run: Run, tmp_path: Path, own_home: Path) -> None:
    said = run("eval", "run", "--task", GLOBAL, "--data", data(tmp_path), "--dry-run", "--json")
    record = said.json()
    assert said.code == 0 and record["comments"] == 60 and record["completion_tokens"] == 60 * 200
    assert record["prompt_tokens"] > 60 * 200 and record["minutes"] >= 0
    assert not (own_home / "data" / "eval").exists()
    assert record["weighings"] == 20 * (3 + 3)
    line = ("eval", "run", "--task", GLOBAL, "--data", data(tmp_path), "--dry-run", "--orders", "rotate")
    rotated = run(*line, "--json").json()
    assert rotated["weighings"] == 3 * record["weighings"]
    assert record["prompt_tokens"] < rotated["prompt_tokens"] < 2 * record["prompt_tokens"]
    shown = run(*line)
    assert "360 requests, orders of options: rotate" in shown.out and "of this batch" not in shown.err


def test_orders_make_a_run_of_its_own_that_is_gone_on_with(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = data(tmp_path, 4)
    base = ("eval", "run", "--task", GLOBAL, "--data", file, "--method", "vanilla", "--json")
    published, rotated = str(tmp_path / "published"), str(tmp_path / "rotated")
    monkeypatch.setenv("PLOCAL_ORDERS", "reverse")  # the setting of asks is none of a run's
    first = run(*base, "--output", published).json()
    second = run(*base, "--output", rotated, "--orders", "rotate").json()
    assert first["basis"]["vanilla"]["order_effect"] is None
    assert 0 < second["basis"]["vanilla"]["order_effect"] < 1
    refused = run(*base, "--output", published, "--orders", "rotate")
    assert refused.code == 4 and "orders" in refused.json()["error"]["message"]

    lines = [json.loads(line) for line in (tmp_path / "rotated" / "samples.jsonl").read_text().splitlines()]
    assert {len(line["orders"]) for line in lines} == {3}
    assert "order effect" in run("eval", "show", rotated).out
    assert "order effect" not in run("eval", "show", published).out

    # a run of a version without orders has no such setting, and was asked as published
    begun = json.loads((tmp_path / "published" / "run.json").read_text())
    del begun["about"]["wanted"]["settings"]["orders"]
    (tmp_path / "published" / "run.json").write_text(json.dumps(begun))
    for folder, count in ((published, 0), (rotated, 3)):
        assert run("eval", "resume", folder, "--method", "ours").code == 0
        grown = [json.loads(line) for line in (Path(folder) / "samples.jsonl").read_text().splitlines()]
        assert len(grown) == 8 and {len(line.get("orders", ())) for line in grown} == {count}


def test_responses_without_a_scorer(run: Run, tmp_path: Path) -> None:
    file = str(write(tmp_path / "o.json", [rows.overton(i) for i in range(3)]))
    said = run("eval", "run", "--task", "overton-nli", "--data", file, "--scorer", "none", "--json")
    assert said.code == 0 and said.json()["complete"]
    exported = json.loads(run("eval", "export", Path(said.json()["folder"]).name, "ours", "-").out)
    assert all(row["output"] for row in exported)
    for command in (("show",), ("compare",)):
        name = Path(said.json()["folder"]).name
        refused = run("eval", *command, name, *(["ours", "vanilla"] if command == ("compare",) else []))
        assert refused.code == 2 and "without a scorer of entailment" in refused.err
        assert "again with --scorer adapter" in refused.err and "eval judge" not in refused.err


def test_what_a_judge_compares_is_not_scored_by_entailment_unless_told(run: Run, tmp_path: Path) -> None:
    file = str(write(tmp_path / "o.json", [rows.overton(i) for i in range(3)]))
    line = ("eval", "run", "--task", "overton-judge", "--data", file, "--output", str(tmp_path / "run"))
    said = run(*line)
    assert said.code == 0 and f"Compare them with: plocal eval judge {tmp_path / 'run'}" in said.out
    assert not list((tmp_path / "run").glob("nli-*"))
    assert (
        f"plocal eval judge {tmp_path / 'run'} compares them"
        in run("eval", "show", str(tmp_path / "run")).err
    )
    assert "entailment_pairs" not in run(*line, "--dry-run", "--json").json()


def test_a_scorer_that_cannot_be_opened_is_known_before_anything_is_asked(
    run: Run, tmp_path: Path, own_home: Path
) -> None:
    file = str(write(tmp_path / "o.json", [rows.overton(i) for i in range(3)]))
    line = ("eval", "run", "--task", "overton-nli", "--data", file, "--scorer", str(tmp_path / "gone"))
    for more in ((), ("--dry-run",)):
        said = run(*line, *more)
        assert said.code == 3 and "There is no folder" in said.err
    assert not (own_home / "data" / "eval").exists()


@pytest.mark.slow
def test_a_run_is_shown_with_the_scorer_named_last(run: Run, tmp_path: Path) -> None:
    """The answers were made without one; scored afterwards, every other command knows by what."""
    file = str(write(tmp_path / "o.json", [rows.overton(i) for i in range(2)]))
    line = ("eval", "run", "--task", "overton-nli", "--data", file, "--method", "ours", "--json")
    folder = Path(run(*line, "--scorer", "none").json()["folder"])
    scored = run(*line)
    assert scored.code == 0
    assert run("eval", "show", folder.name, "--json").json() == scored.json()


def start(folder: Path, output: str, **options: Any) -> subprocess.Popen[bytes]:
    arguments = (
        "eval",
        "run",
        "--task",
        GLOBAL,
        "--data",
        data(folder, 400),
        "--output",
        str(folder / output / "run"),
    )
    return plocal(*arguments, "-m", "scripted:", "--json", **options)


@pytest.mark.slow
def test_killed_three_times_it_gives_the_same_table(tmp_path: Path) -> None:
    """SIGKILL to the process itself; the answers and the table are those of a run that was left alone."""
    whole = start(tmp_path, "a", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    table, _ = whole.communicate(timeout=120)
    assert whole.returncode == 0
    lengths = []
    for share in (0.2, 0.5, 0.8):
        process = start(tmp_path, "b", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        goal = share * (tmp_path / "a" / "run" / "samples.jsonl").stat().st_size
        file = tmp_path / "b" / "run" / "samples.jsonl"
        while process.poll() is None and not (file.exists() and file.stat().st_size >= goal):
            time.sleep(0.002)
        process.kill()
        process.wait(timeout=60)
        lengths.append(file.stat().st_size)
    assert (
        lengths == sorted(lengths) and lengths[0] < (tmp_path / "a" / "run" / "samples.jsonl").stat().st_size
    )
    last = start(tmp_path, "b", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    again, _ = last.communicate(timeout=120)
    assert last.returncode == 0
    for name in ("run/samples.jsonl", "run/comments-scripted-.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert json.loads(again) == json.loads(table)


def test_ctrl_c_finishes_the_batch_and_shows_what_there_is(tmp_path: Path) -> None:
    process = start(tmp_path, "c", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    file = tmp_path / "c" / "run" / "samples.jsonl"
    while process.poll() is None and not (file.exists() and file.stat().st_size > 20_000):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 6, err
    record = json.loads(out)
    assert 0 < record["n"] < 400 and b"go on with: plocal eval resume" in err
    assert all(len(line) > 2 for line in file.read_bytes().splitlines())
