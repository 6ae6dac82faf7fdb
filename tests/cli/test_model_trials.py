"""Models that end llama.cpp's process: one sentence, in every command that would load them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.engine import kernel_trial
from tests.support.command_line import Run


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file without a tokenizer, at which llama.cpp gives its process up."""
    return kernel_trial.write_model(tmp_path_factory.mktemp("deadly") / "deadly.gguf")


@pytest.mark.parametrize("command", [["ask", "--mode", "vanilla", "-n", "Is tipping fair?"], ["bench"]])
def test_it_is_refused_in_one_sentence(deadly: Path, command: list[str]) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "pluralism_local", *command, "-m", str(deadly)],
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 2, done.stderr
        assert "deadly.gguf" in done.stderr and "Traceback" not in done.stderr


def test_verify_tells_it_apart_from_a_model_that_runs(
    deadly: Path, starter_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if no rule for headers knew its fault, as there may be none for the next one."""
    monkeypatch.setattr("pluralism_local.models.details.check_model", lambda header: None)
    ran = run("models", "verify", str(deadly), "--json")
    assert ran.code == 4 and ran.json()["runs"].startswith("llama.cpp ends its process on it (ended by SIG")
    ran = run("models", "verify", str(starter_path), "--json")
    assert ran.code == 0 and ran.json()["runs"] == "runs as it is"
