"""A user's home with three communities and two pools, and a command line that runs in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.cli.main import main
from tests.support.command_line import Ran, Run, add_card


@pytest.fixture(autouse=True)
def village(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home, with communities of farmers, fishers and millers, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    for id in ("farmers", "fishers", "millers"):
        add_card(own_home, id)
    pools = own_home / "data" / "communities" / "pools"
    pools.mkdir()
    (pools / "village.yaml").write_text(
        "name: A village\nmembers:\n"
        "  - {card: farmers, weight: 0.5}\n  - {card: fishers, weight: 0.25}\n  - {card: millers, weight: 0.25}\n"
    )
    (pools / "coast.yaml").write_text("- {card: fishers}\n- {card: millers}\n")
    (own_home / "config.toml").write_text('pool = "village"\nmodel = "scripted:"\n')
    return own_home


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def go(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return go
