"""From a run's folder to the figures that are kept, and the page of all tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from communitylm.evaluation.eval_results import condensed, page, read_results, written
from pluralism_local.errors import NotFound, Refused

SAMPLING = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 48, "seed": 0}
BIAS = {"flipped": 0.75, "inconsistent": 0.0, "first": 0.9, "second": 0.1}


def figure(value: float | None) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - 0.1,
        "high": None if value is None else value + 0.1,
    }


def run(folder: Path, task: str, **changed: Any) -> Path:
    """A folder as `plocal eval run` leaves it."""
    identity = {
        "task": task,
        "samples": {"n": 200},
        "llm": {"id": "starter", "backend": "llama.cpp", "sha256": "ab"},
        "pool": {"id": "perspectives", "members": [{"community": "mine", "adapter_sha256": "ab" * 32}]},
        "comment": SAMPLING,
        "answer": {**SAMPLING, "max_tokens": 1},
    }
    record = {
        "n": 200,
        "failed": {},
        "missing": {},
        "methods": {
            "ours": {"accuracy": figure(0.5), "macro_f1": figure(None), "counts": {"n": 200}},
            "vanilla": {"accuracy": figure(0.25), "macro_f1": figure(0.2), "counts": {"n": 200}},
        },
        **changed,
    }
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"id": "0123456789ab", "identity": identity}))
    (folder / "results.json").write_text(json.dumps(record))
    return folder


def test_figures_are_kept_as_they_are_and_stand_on_the_page(tmp_path: Path) -> None:
    (result,) = condensed(run(tmp_path / "run", "steerable-vk"))
    assert result["methods"] == {
        "ours": {"accuracy": figure(0.5), "macro_f1": figure(None)},
        "vanilla": {"accuracy": figure(0.25), "macro_f1": figure(0.2)},
    }
    assert (result["n"], result["pool"], result["run"]) == (200, "perspectives", "0123456789ab")
    assert result["adapters"] == {"mine": "ab" * 32}
    assert written(result, tmp_path).name == "eval-steerable-vk.json"
    (stored,) = read_results(tmp_path)
    assert stored == result
    text = page([stored])
    assert "## steerable-vk" in text and "200 samples · model starter · pool perspectives" in text
    assert "| method | accuracy | macro_f1 |" in text
    assert "| ours | 0.500 (0.400 to 0.600) | – |" in text


def test_a_judges_verdicts_stand_by_opponent(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", "overton-judge")
    with pytest.raises(NotFound) as missing:
        condensed(folder)
    assert missing.value.hint.startswith("plocal eval judge ")
    outcomes = {"win": figure(0.2), "tie": figure(0.7), "lose": figure(0.1)}
    judged = {
        "a": "ours",
        "n": 100,
        "complete": True,
        "judges": [
            {
                "judge": "starter",
                "model": {"id": "starter", "backend": "llama.cpp", "sha256": "ab"},
                "opponents": {"vanilla": {**outcomes, "n": 100, "position_bias": BIAS}},
            }
        ],
    }
    (folder / "judge.json").write_text(json.dumps(judged))
    (result,) = condensed(folder)
    assert result["methods"] == {"vanilla": outcomes} and result["n"] == 100
    covered = run(tmp_path / "covered", "overton-nli")
    (covered / "judge.json").write_text(json.dumps(judged))
    coverage, verdicts = condensed(covered)
    assert coverage["task"] == "overton-nli" and coverage["methods"]["ours"]["accuracy"] == figure(0.5)
    assert verdicts["task"] == "overton-judge" and verdicts["methods"] == result["methods"]
    text = page([result])
    assert "| against | win | tie | lose |" in text and "In 75% to 75% of them" in text
    (covered / "results.json").unlink()
    assert condensed(covered) == [verdicts]
    (covered / "judge.json").unlink()
    with pytest.raises(NotFound, match=r"There is no .*results.json"):
        condensed(covered)
    (folder / "judge.json").write_text(json.dumps({**judged, "complete": False}))
    with pytest.raises(Refused, match=r"judging of .* is not complete"):
        condensed(folder)


def test_what_is_not_complete_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="3 of ours failed, 2 of moe are missing") as refused:
        condensed(run(tmp_path / "run", "steerable-vk", failed={"ours": 3}, missing={"moe": 2, "ours": 0}))
    assert "--retry-failed" in refused.value.hint
    with pytest.raises(NotFound, match="There is no"):
        condensed(tmp_path)
