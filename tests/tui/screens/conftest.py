"""Cards with real adapters, and a small model beside an empty Hub cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.communities.conftest import base_header, make_adapted
from tests.support.gguf_files import write_model

__all__ = ["base_header", "make_adapted"]


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hub cache."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A sound GGUF file of a model that nobody would want to run."""
    return write_model(tmp_path / "tiny.gguf")
