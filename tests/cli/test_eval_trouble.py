"""`plocal eval` where something is wrong beside the answers: other files, other people's folders, failures, Ctrl-C."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pluralism_local.errors import Cancelled
from pluralism_local.evaluation.journal import Journal, locked
from tests.cli.test_eval import data
from tests.support import rows
from tests.support.command_line import Run
from tests.support.rows import write

GLOBAL = "distributional-globalopinionqa"


@pytest.fixture
def begun(run: Run, tmp_path: Path) -> Path:
    """A finished run of five samples; its data lie beside it, in rows.json."""
    write(tmp_path / "rows.json", [rows.global_opinion(i, "Spain") for i in range(5)])
    folder = tmp_path / "run"
    options = ["--data", str(tmp_path / "rows.json"), "--method", "ours", "--method", "vanilla"]
    assert run("eval", "run", "--task", GLOBAL, *options, "--output", str(folder)).code == 0
    return folder


def test_data_that_were_moved_are_found_again(run: Run, begun: Path) -> None:
    moved = begun.parent / "elsewhere.json"
    (begun.parent / "rows.json").rename(moved)
    assert run("eval", "show", str(begun)).code == 3
    again = ["--data", str(moved), "--method", "ours", "--limit", "5", "--output", str(begun)]
    assert run("eval", "run", "--task", GLOBAL, *again).code == 0
    shown = run("eval", "show", str(begun), "--json")
    assert shown.code == 0 and list(shown.json()["methods"]) == ["ours", "vanilla"]
    assert run("eval", "resume", str(begun)).code == 0


def test_a_damaged_run_hides_no_other(run: Run, begun: Path, own_home: Path) -> None:
    root = own_home / "data" / "eval"
    root.mkdir(parents=True, exist_ok=True)
    for name in ("good", "bad"):
        (root / name).mkdir()
        for file in ("run.json", "samples.jsonl"):
            (root / name / file).write_bytes((begun / file).read_bytes())
    (root / "bad" / "samples.jsonl").write_bytes(b"no record\n" + (begun / "samples.jsonl").read_bytes())
    listed = run("eval", "ls", "--json")
    assert listed.code == 0 and [one["run"] for one in listed.json()] == ["good"]
    assert "damaged" in listed.err


def test_somebody_elses_run_is_shown(run: Run, begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    before = run("eval", "show", str(begun), "--json").json()
    monkeypatch.setattr("pluralism_local.evaluation.run_folder.write_atomic", refuse)
    shown = run("eval", "show", str(begun), "--json")
    assert shown.code == 0 and shown.json() == before
    assert "not kept" in shown.err


def test_a_method_that_failed_everywhere_hides_no_other(run: Run, begun: Path) -> None:
    kept = (begun / "samples.jsonl").read_text().splitlines()
    failed = []
    for line in map(json.loads, kept):
        if line["method"] == "ours":
            for answer in ("distribution", "output", "usage", "outside", "selection", "comments"):
                line.pop(answer, None)
            line["error"] = {"code": "context_overflow", "message": "The prompt takes 300 of 128 tokens."}
        failed.append(json.dumps(line))
    (begun / "samples.jsonl").write_text("\n".join(failed) + "\n")
    shown = run("eval", "resume", str(begun), "--json")
    assert shown.code == 6
    record = shown.json()
    assert list(record["methods"]) == ["vanilla"] and record["n"] == 5
    assert record["failed"] == {"ours": 5, "vanilla": 0}
    assert "ours failed on 5 of 5 samples, first with: The prompt takes 300 of 128 tokens." in shown.err


def test_stopped_while_scoring_it_says_where_the_responses_are(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Cancelled

    monkeypatch.setattr("pluralism_local.cli.eval.running.summarise_folder", stop)
    file = write(tmp_path / "rows.json", [rows.overton(i) for i in range(2)])
    folder = tmp_path / "run"
    options = ["--data", str(file), "--method", "vanilla", "--output", str(folder), "--json"]
    stopped = run("eval", "run", "--task", "overton-nli", *options)
    assert stopped.code == 6
    found = stopped.json()
    assert (found["folder"], found["complete"], found["scored"]) == (str(folder), True, False)


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "export", "RUN", "ours", "FOLDER"],
        ["eval", "export", "RUN", "ours", "FILE/out.json"],
        ["eval", "report", "RUN", "-o", "FILE/out.html"],
        ["eval", "run", "--task", GLOBAL, "--data", "FILE", "--output", "FILE"],
        ["eval", "run", "--task", GLOBAL, "--data", "FILE", "--output", "FILE/run"],
    ],
)
def test_a_path_that_cannot_be_written_is_the_users(run: Run, begun: Path, command: list[str]) -> None:
    file = str(begun.parent / "rows.json")
    before = Path(file).read_bytes()
    real = [
        part.replace("RUN", str(begun)).replace("FOLDER", str(begun)).replace("FILE", file)
        for part in command
    ]
    said = run(*real)
    assert said.code == 2 and "bug" not in said.err, said.err
    assert Path(file).read_bytes() == before


def test_odd_characters_and_numbers(run: Run, tmp_path: Path) -> None:
    lone = {**rows.global_opinion(0), "question": "Is \ud800 good?"}
    file = tmp_path / "lone.json"
    file.write_text(json.dumps([lone]))
    options = ["--data", str(file), "--method", "vanilla", "--output", str(tmp_path / "run")]
    said = run("eval", "run", "--task", GLOBAL, *options)
    assert said.code == 2 and "row 0" in said.err and "half of a character" in said.err
    assert not (tmp_path / "run").exists()
    count = len(rows.global_opinion(0)["options"])
    huge = {**rows.global_opinion(0), "pred_distribution": [10**400, *[0] * (count - 1)]}
    said = run("eval", "score", "--task", GLOBAL, str(write(tmp_path / "huge.json", [huge])))
    assert said.code == 2 and "a probability is between 0 and 1" in said.err
    (tmp_path / "bent.json.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(6) + b"\xff" * 40)
    said = run("eval", "score", "--task", GLOBAL, str(tmp_path / "bent.json.gz"))
    assert said.code == 2 and "is not JSON" in said.err


def test_a_file_of_scores_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "nli.jsonl"
    with Journal(path) as journal:
        journal.append([{"a": 1}])
        child = os.fork()
        if child == 0:
            try:
                Journal(path)
            except Exception as error:  # noqa: BLE001 - told by the exit status
                os._exit(7 if "Another process is writing" in str(error) else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with Journal(path) as journal:
        assert journal.records == [{"a": 1}]


def test_a_runs_parent_holds_nothing_but_runs(run: Run, tmp_path: Path) -> None:
    line = (
        "eval",
        "run",
        "--task",
        GLOBAL,
        "--data",
        data(tmp_path),
        "--comment-max-tokens",
        "4",
        "--limit",
        "4",
    )
    (tmp_path / "X").mkdir()
    for name in ("r", "s"):
        assert run(*line, "--method", "ours", "--output", str(tmp_path / "X" / name)).code == 0
    assert sorted(path.name for path in (tmp_path / "X").iterdir()) == ["r", "s"]
    everything = [str(path) for path in (tmp_path / "X").iterdir()]
    assert run("eval", "report", *everything, "-o", str(tmp_path / "report.html")).code == 0
    overton = write(tmp_path / "overton.json", [rows.overton(i) for i in range(2)])
    words = ("--task", "overton-nli", "--data", str(overton), "--scorer", "none", "--comment-max-tokens", "4")
    assert run("eval", "run", *words, "--output", str(tmp_path / "X" / "t")).code == 0
    assert run("eval", "judge", str(tmp_path / "X" / "t"), "--judge", "scripted:").code == 0
    assert sorted(path.name for path in (tmp_path / "X").iterdir()) == ["r", "s", "t"]


def test_runs_beside_each_other_are_written_at_the_same_time(run: Run, tmp_path: Path) -> None:
    line = (
        "eval",
        "run",
        "--task",
        GLOBAL,
        "--data",
        data(tmp_path),
        "--comment-max-tokens",
        "4",
        "--limit",
        "4",
    )
    with locked(tmp_path / "X" / "other"):
        assert run(*line, "--method", "ours", "--output", str(tmp_path / "X" / "r")).code == 0
    with locked(tmp_path / "X"):  # as an earlier version does
        assert run(*line, "--method", "ours", "--output", str(tmp_path / "X" / "s")).code == 0


def test_files_that_earlier_versions_left_beside_runs_are_no_runs(run: Run, begun: Path) -> None:
    left = [begun.parent / "comments-scripted-.jsonl", begun.parent / ".lock"]
    for file in left:
        file.write_text("")
    report = ("eval", "report", *map(str, left))
    ran = run(*report, str(begun), "-o", str(begun.parent / "report.html"))
    assert ran.code == 0 and "Files are no runs' folders, and are left out" in ran.err
    assert run(*report, "-o", str(begun.parent / "report.html")).code == 3


def test_a_run_of_an_earlier_version_is_read(run: Run, begun: Path) -> None:
    before = run("eval", "show", str(begun), "--json").json()["methods"]
    record = json.loads((begun / "run.json").read_text())
    record["identity"]["task_version"] = 1
    (begun / "run.json").write_text(json.dumps(record))
    kept = [json.loads(line) for line in (begun / "samples.jsonl").read_text().splitlines()]
    for one in kept:
        del one["distribution_method"]
    (begun / "samples.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in kept))
    found = json.loads((begun / "results.json").read_text())
    del found["basis"], found["remarks"]
    (begun / "results.json").write_text(json.dumps(found))
    (comments,) = begun.glob("comments-*.jsonl")
    comments.rename(begun.parent / comments.name)
    shown = run("eval", "show", str(begun), "--json")
    assert (shown.code, shown.json()["methods"], shown.json()["remarks"]) == (0, before, [])
    assert shown.json()["basis"]["ours"]["distributions"] == {"unknown": 5}
    assert run("eval", "compare", str(begun), "ours", "vanilla").code == 0
    (begun / "results.json").write_text(json.dumps(found))
    (begun.parent / "rows.json").unlink()  # then results.json is all there is
    assert run("eval", "report", str(begun), "-o", str(begun.parent / "report.html")).code == 0
    resumed = run("eval", "resume", str(begun))
    assert resumed.code in (3, 4)
