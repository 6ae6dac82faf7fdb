"""What is told where PyTorch, or what it should load, is not here; tests of loading itself need the extra `train`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pluralism_local.engine.checkpoint_loading import torch_for
from pluralism_local.errors import NotFound, Unsupported


@pytest.fixture(params=["torch", "transformers"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that cannot be imported, whether it is installed or not."""
    monkeypatch.setitem(sys.modules, request.param, None)
    return str(request.param)


@pytest.mark.parametrize("name", ["gone", "gone/", "two/folders/gone", "a name", "…", ""])
def test_a_folder_that_is_not_there_is_told_of_before_what_is_not_installed(
    name: str, missing: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        torch_for(f"{tmp_path}/{name or 'x'}", "A classifier", "another")


@pytest.mark.parametrize("folder", [True, False], ids=["folder", "Hub id"])
def test_what_is_not_installed_is_named_with_what_does_without(
    folder: bool, missing: str, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match="A classifier needs") as error:
        torch_for(str(tmp_path) if folder else "some/classifier", "A classifier", "another")
    assert 'pip install "pluralism-local[train]", or use another' in str(error.value.hint)
