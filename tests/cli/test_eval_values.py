"""`plocal eval` on values: what it measures is what `plocal values` says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.modes.values.prompts import NOWHERE
from pluralism_local.modes.values.running import find_values
from pluralism_local.values.stakes import Valence, Values
from tests.support import rows
from tests.support.command_line import Run
from tests.support.rows import write

SITUATIONS = {
    "Biking to work": ["Health", "Duty of care"],
    "Telling a lie": ["Honesty", "Right to know"],
    "Eating meat": ["Health", "Right to life"],
}
AT_STAKE = {"Health": 0.9, "Duty of care": 0.3, "Honesty": 0.8, "Right to know": 0.6, "Right to life": 0.4}


def script(folder: Path) -> str:
    """A model that holds the same values to be at stake wherever they are named, and to support whatever it is."""
    weighed = [
        {"pattern": rf"(?s)Situation: (?!{NOWHERE}).*: {name}\s+Is this", "mass": {"Yes": p, "No": 1 - p}}
        for name, p in AT_STAKE.items()
    ]
    even = {"match": "Answer Yes or No.", "mass": {"Yes": 0.5, "No": 0.5}}
    leans = [
        {
            "pattern": rf"(?s)Situation: (?!{NOWHERE}).*\d\s+Does this \w+ support",
            "mass": {"Yes": 0.8, "No": 0.2},
        },
        {
            "pattern": rf"(?s)Situation: (?!{NOWHERE}).*\d\s+Does this \w+ oppose",
            "mass": {"Yes": 0.2, "No": 0.6},
        },
    ]
    file = folder / "script.json"
    replies = [{"match": "Which human values", "text": json.dumps({"values": list(AT_STAKE)})}]
    file.write_text(json.dumps({"replies": replies, "distributions": [*weighed, *leans, even]}))
    return f"scripted:{file}"


def evaluate(run: Run, folder: Path, task: str, found: list[dict[str, Any]], *more: str) -> Any:
    data = str(write(folder / "rows.json", found))
    output = ("--output", str(folder / "RUN"))
    return run("eval", "run", "--task", task, "--data", data, "-m", script(folder), *output, "--json", *more)


def test_what_is_told_is_what_plocal_values_tells(run: Run, tmp_path: Path) -> None:
    found = [{"situation": one, "vrd": values} for one, values in SITUATIONS.items()]
    planned = evaluate(run, tmp_path, "values-relevance", found, "--dry-run").json()
    assert (planned["weighings"], planned["comments"]) == (24, 0)
    ran = evaluate(run, tmp_path, "values-relevance", found)
    assert ran.code == 0, ran.err
    record = ran.json()
    assert list(record["methods"]) == ["vanilla", "uniform", "majority", "shuffled"]
    assert (record["n"], record["pool"]["members"], record["cost"]["vanilla"].keys()) == (12, [], {"llm"})
    assert run("eval", "show", str(tmp_path / "RUN"), "--json").json() == record
    samples = {s.id: s for s in read_samples(TASKS["values-relevance"], tmp_path / "rows.json")}
    kept = [json.loads(line) for line in (tmp_path / "RUN" / "samples.jsonl").read_text().splitlines()]
    told = {
        (samples[one["id"]].cluster, samples[one["id"]].attribute): one["pred_distribution"][0]
        for one in kept
    }
    assert len(told) == 12
    *_, values = find_values("Eating meat", llm=ScriptedEngine(tmp_path / "script.json"))
    assert isinstance(values, Values)
    for weighed in (*values.stakes, *values.irrelevant):
        if ("Eating meat", weighed.stake.text) in told:
            assert told["Eating meat", weighed.stake.text] == pytest.approx(weighed.relevance, abs=1e-12)
    assert all(p == pytest.approx(AT_STAKE[str(name)]) for (_, name), p in told.items())
    exported = str(tmp_path / "out.json")
    assert run("eval", "export", str(tmp_path / "RUN"), "vanilla", exported).code == 0
    scored = run("eval", "score", "--task", "values-relevance", exported, "--json").json()
    for name in ("roc_auc", "average_precision", "accuracy"):
        assert scored[name] == pytest.approx(record["methods"]["vanilla"][name]["value"])


def test_valence_is_told_by_support_and_opposition(run: Run, tmp_path: Path) -> None:
    found = [rows.value(i, label) for i, label in enumerate("AABC")]
    record = evaluate(run, tmp_path, "values-valence", found).json()
    vanilla = record["methods"]["vanilla"]
    assert (vanilla["accuracy"]["value"], vanilla["balanced_accuracy"]["value"]) == (
        0.5,
        pytest.approx(1 / 3),
    )
    assert record["methods"]["majority"]["accuracy"]["value"] == 0.5
    kept = json.loads((tmp_path / "RUN" / "samples.jsonl").read_text().splitlines()[0])
    assert kept["pred_distribution"] == pytest.approx(Valence.of(math.log(4 / (1 / 3)), "scripted").p)
    assert kept["output"] == "A"


def test_no_community_has_a_part_in_it(run: Run, tmp_path: Path) -> None:
    ran = evaluate(run, tmp_path, "values-valence", [rows.value(0)], "--method", "ours")
    error = ran.json()["error"]
    assert ran.code == 2 and "values-valence has no method 'ours'" in error["message"]
    assert "vanilla" in error["hint"]
