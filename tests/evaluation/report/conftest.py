"""A home with communities and two pools, command lines, and runs with the scripted engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pluralism_local.cli.main import main
from tests.support.command_line import Ran, add_card
from tests.support.report_pages import Begin, Run
from tests.support.rows import Row, write


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PLOCAL_HOME with three communities; the pool village has two of them, village+millers all."""
    monkeypatch.setenv("PLOCAL_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for id in ("farmers", "fishers", "millers"):
        add_card(tmp_path, id)
    pools = tmp_path / "data" / "communities" / "pools"
    pools.mkdir()
    (pools / "village.yaml").write_text("- {card: farmers}\n- {card: fishers}\n")
    (pools / "village+millers.yaml").write_text("- {card: farmers}\n- {card: fishers}\n- {card: millers}\n")
    (tmp_path / "config.toml").write_text('pool = "village"\nmodel = "scripted:"\n')
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Carry out a command line."""

    def go(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return go


@pytest.fixture
def begin(run: Run, tmp_path: Path) -> Begin:
    """Run a task on rows and return the run's folder."""

    def go(task: str, rows: Sequence[Row], *options: str) -> str:
        data = write(tmp_path / f"{task}.json", rows)
        ran = run("eval", "run", "--task", task, "--data", str(data), *options, "--json")
        assert ran.code in (0, 6), ran.err + ran.out
        found = json.loads(ran.out)
        id = found["run"]
        return str(tmp_path / "data" / "eval" / f"{task}-{id}")

    return go
