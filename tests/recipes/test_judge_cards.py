"""What a judging found goes into the cards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.communities import load_community

# the recipe is another process, whose missing library skips nothing by itself
pytest.importorskip("ruamel.yaml")

ROOT = Path(__file__).parents[2]
ENTRY = {
    "model": "starter",
    "form": "adapter",
    "judge": "big",
    "questions": 60,
    "on_topic": 0.25,
    "repeats": 0.1,
    "invents": 0.5,
    "ends": 0.75,
    "words": 70.5,
    "opposite": "press-right",
    "agrees": 0.5,
    "date": "2026-01-31",
}


def written(folder: Path, record: object) -> subprocess.CompletedProcess[str]:
    file = folder / "voices.json"
    file.write_text(json.dumps(record))
    script = ROOT / "recipes" / "judge_cards.py"
    return subprocess.run(
        [sys.executable, script, file, "--adapters", folder], capture_output=True, text=True, check=False
    )


def test_an_entry_is_added_replaced_by_model_and_form_and_read_again(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "adapters" / "press-left", tmp_path / "press-left")
    before = load_community(tmp_path / "press-left").card

    for entry in (ENTRY, {**ENTRY, "on_topic": 0.5}, {**ENTRY, "form": "persona"}):
        ran = written(tmp_path, {"complete": True, "cards": {"press-left": entry, "nobody": entry}})
        assert ran.returncode == 0, ran.stderr
        assert "nobody has no card" in ran.stderr

    after = load_community(tmp_path / "press-left").card
    added = [entry for entry in after.judged if entry.judge == "big"]
    assert [(entry.form, entry.on_topic) for entry in added] == [("adapter", 0.5), ("persona", 0.25)]
    assert after.model_copy(update={"judged": before.judged}) == before


def test_a_judging_that_was_stopped_writes_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "adapters" / "press-left", tmp_path / "press-left")
    before = (tmp_path / "press-left" / "README.md").read_bytes()

    records: list[object] = [
        {"complete": False, "cards": {"press-left": ENTRY}},
        {"complete": True, "cards": None},
        [],
    ]
    for record in records:
        ran = written(tmp_path, record)
        assert ran.returncode == 2
        assert "no complete judging" in ran.stderr
    assert (tmp_path / "press-left" / "README.md").read_bytes() == before
