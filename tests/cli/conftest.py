"""A user's home with three communities and two pools, and ways to run the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.cli.main import main

CARD = """---
license: apache-2.0
plocal:
  schema: 1
  id: {id}
  name: The {id}
  description: Speaks for the {id}.
  persona: You speak for the {id}.
---
For tests.
"""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


def add_card(home: Path, id: str, text: str | None = None) -> Path:
    """Put a card into the user's communities; returns its folder."""
    folder = home / "data" / "communities" / id
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(text or CARD.format(id=id))
    return folder


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


def plocal(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `plocal` as a process of its own, with this process's PLOCAL_HOME."""
    environ = {**os.environ, **options.pop("env", {})}
    command = [sys.executable, "-c", "from pluralism_local.cli.main import entry; entry()", *arguments]
    return subprocess.Popen(command, env=environ, **options)
