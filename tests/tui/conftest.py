"""A village of three communities, as for the command line, and nothing else in the home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import add_card


@pytest.fixture(autouse=True)
def village(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home, with the pool "village"; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    for id in ("farmers", "fishers", "millers"):
        add_card(own_home, id)
    pools = own_home / "data" / "communities" / "pools"
    pools.mkdir()
    (pools / "village.yaml").write_text("- {card: farmers}\n- {card: fishers}\n- {card: millers}\n")
    (own_home / "config.toml").write_text('pool = "village"\n')
    return own_home
