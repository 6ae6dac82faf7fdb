"""What runs of the command line give, cards for its home, and `plocal` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def plocal(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `plocal` as a process of its own, with this process's PLOCAL_HOME."""
    environ = {**os.environ, **options.pop("env", {})}
    command = [sys.executable, "-c", "from pluralism_local.cli.main import entry; entry()", *arguments]
    return subprocess.Popen(command, env=environ, **options)
