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


def test_each_model_and_rule_of_orders_has_a_file_and_a_table_of_its_own(tmp_path: Path) -> None:
    clear, within = {"value": 0.25, "low": 0.1, "high": 0.4}, {"value": 0.3, "low": -0.1, "high": 0.7}
    folder = run(
        tmp_path / "run",
        "steerable-vk",
        differences={"of": "ours", "minus": {"vanilla": {"accuracy": clear}, "moe": {"accuracy": within}}},
        cost={
            "ours": {
                role: {"prompt": 900.0, "reused": 400.0, "completion": 50.0}
                for role in ("llm", "communities")
            }
        },
        basis={"ours": {"order_effect": 0.125}, "shuffled": {"order_effect": None}},
    )
    written(condensed(run(tmp_path / "starter", "steerable-vk"))[0], tmp_path / "to")
    stored = json.loads((folder / "run.json").read_text())
    stored["identity"] |= {
        "pool": {"id": "perspectives", "members": [{"community": "mine", "adapter_sha256": None}]},
        "llm": {"id": "/home/somebody/models/big model.q4.gguf", "sha256": "cd"},
        "orders": {"rule": "rotate", "sha256": "ef"},
    }
    (folder / "run.json").write_text(json.dumps(stored))
    (result,) = condensed(folder)
    assert written(result, tmp_path / "to").name == "eval-steerable-vk-big-model.q4-rotate.json"
    first, second = read_results(tmp_path / "to")
    assert first["model"]["id"] == "starter" and second == result
    text = page([first, second])
    assert "somebody" not in text + json.dumps(result)
    assert text.index("## steerable-vk\n") < text.index("## steerable-vk · big-model.q4 · rotate\n")
    assert text.count(" · pool perspectives, personas without adapters · ") == 1
    assert text.count(" · orders of options: rotate") == 1 and "model big model.q4 ·" in text
    assert "| ours minus | accuracy |" in text
    assert "| vanilla | **0.250 (0.100 to 0.400)** |" in text and "| moe | 0.300 (-0.100 to 0.700) |" in text
    assert "Order effect (mean total variation): ours 0.125." in text
    assert "Tokens an answer, read + written: ours 1,000 + 100." in text


@pytest.mark.parametrize("draw", [None, 0])
def test_a_run_that_was_stopped_counts_only_if_its_samples_were_drawn(
    tmp_path: Path, draw: int | None
) -> None:
    folder = run(tmp_path / "run", "steerable-vk", n=16, wanted=200, missing={"ours": 184, "vanilla": 184})
    stored = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**stored, "about": {"wanted": {"draw": draw}}}))
    with pytest.raises(Refused, match="184 of ours are missing"):
        condensed(folder)
    if draw is None:
        with pytest.raises(Refused, match="184 of ours are missing"):
            condensed(folder, partial=True)
        return
    (result,) = condensed(folder, partial=True)
    assert "16 samples, the first of 200 that were drawn ·" in page([result])
