"""The starter model, its shipped communities and a real kill: the same numbers as without it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import rows
from tests.support.rows import write

TASK = "distributional-globalopinionqa"


def start(folder: Path, output: Path, *extra: str) -> subprocess.Popen[bytes]:
    data = write(folder / "rows.json", [rows.global_opinion(i, ("Spain", "Kenya")[i % 2]) for i in range(40)])
    arguments = ["eval", "run", "--task", TASK, "--data", str(data), "--output", str(output), "--json"]
    arguments += [
        "-p",
        "press-left",
        "-p",
        "culture-asia",
        "--comment-max-tokens",
        "8",
        "--threads",
        "1",
        *extra,
    ]
    command = [sys.executable, "-c", "from pluralism_local.cli.main import entry; entry()", *arguments]
    # runs of one data folder would share their comments, and the second run nothing but take them over
    environment = {**os.environ, "PLOCAL_HOME": str(output.parent / "home")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_three_random_moments(starter_path: Path, tmp_path: Path) -> None:
    methods = ("--method", "ours", "--method", "moe", "--method", "vanilla", "--method", "shuffled")
    began = time.monotonic()
    whole = finish(start(tmp_path, tmp_path / "a" / "run", *methods))
    seconds = time.monotonic() - began
    moments = random.Random(7)
    for _ in range(3):
        process = start(tmp_path, tmp_path / "b" / "run", *methods)
        time.sleep(moments.uniform(0.1, 0.6) * seconds)
        process.kill()
        process.communicate(timeout=60)
    again = finish(start(tmp_path, tmp_path / "b" / "run", *methods))
    assert again == whole
    for file in (tmp_path / "a").rglob("*.jsonl"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()
    assert whole["n"] == 40 and not any(whole["failed"].values())


@pytest.mark.slow
def test_every_method_on_the_starter(starter_path: Path, tmp_path: Path) -> None:
    record = finish(start(tmp_path, tmp_path / "run", "--limit", "2"))
    assert list(record["methods"]) == ["ours", "moe", "vanilla", "prompting", "uniform", "shuffled"]
    assert record["n"] == 2 and record["model"]["id"] == "starter"
    for name in ("ours", "moe", "vanilla", "prompting"):
        assert 0 < record["methods"][name]["js_distance"]["value"] < 0.8326  # below sqrt(ln 2)
    spent = record["cost"]
    assert spent["ours"]["communities"]["completion"] <= 16 and "communities" not in spent["vanilla"]
    assert spent["moe"]["communities"]["completion"] < spent["ours"]["communities"]["completion"]
