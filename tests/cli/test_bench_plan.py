"""`plocal bench --plan`: what it shows where something was measured, and where not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.cli.main import main
from pluralism_local.engine.planner import Machine, memory
from tests.support.tiny.model import write_tiny


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that may be measured, on a machine that counts as quiet."""
    monkeypatch.delenv("PLOCAL_PLAN")
    monkeypatch.setattr(memory, "Machine", lambda: Machine(lambda: 0.0, lambda: lambda: 0.0))
    monkeypatch.setattr(memory, "_SPREAD", 1e9)
    return str(write_tiny(tmp_path / "tiny.gguf"))


def test_a_plan_is_measured_shown_and_kept(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--plan", "-m", tiny, "--threads", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    assert record["schema"] == "plocal.bench-plan/1" and record["measured"] and record["reason"] is None
    assert {way["lanes"] for way in record["table"]["ways"]} == {1, 2}
    assert "measuring once how this machine runs the model fastest" in err
    assert main(["bench", "--plan", "-m", tiny, "--threads", "2"]) == 0
    out, err = capsys.readouterr()
    assert f"plan {record['plan']}" in out and "measuring" not in err
    assert "chosen by" in out and "2 contexts of 1 thread" in out and "ms a step of rows" in out
    assert main(["bench", "--plan", "--remeasure", "-m", tiny, "--threads", "2"]) == 0
    assert "measuring once" in capsys.readouterr().err


def test_the_rules_are_shown_with_the_reason(
    tiny: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "Machine", lambda: Machine(lambda: 9.0, cpus=2))
    assert main(["bench", "--plan", "-m", tiny]) == 0
    assert "fixed rules, since the machine's load is 9.0" in capsys.readouterr().out
    monkeypatch.setenv("PLOCAL_PLAN", "fixed")
    assert main(["bench", "--plan", "-m", tiny, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["measured"], record["reason"], record["table"]) == (False, "plans are switched off", None)
    assert record["choices"] == record["rules"]


def test_measuring_anew_is_for_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--remeasure"]) == 2
    assert "--plan" in capsys.readouterr().err
