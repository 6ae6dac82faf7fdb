"""A home with a village of communities, and a server of the scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import Served, served, settle_village


@pytest.fixture(autouse=True)
def village(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    settle_village(own_home)
    return own_home


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        yield running
