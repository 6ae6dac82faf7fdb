"""The layout of llama.cpp's tensors is seen before any of them is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine import tensors
from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.stacking.stack_file import ScaledAdapter
from pluralism_local.engine.stacking.stacks import Stacks
from pluralism_local.errors import EngineFailure
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.model import write_tiny, write_tiny_adapter


def test_the_ops_of_this_library_are_told_apart() -> None:
    install_log()
    assert len(set(tensors.ops())) == 3


@pytest.mark.skipif(not tensors.runs_on_cpu_alone(), reason="other devices compute here")
def test_tensors_of_another_layout_are_refused_and_nothing_is_stacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_log()
    path = write_tiny(tmp_path / "tiny.gguf")
    files = [write_tiny_adapter(tmp_path / f"{seed}.gguf", path, seed=seed) for seed in (1, 2)]
    adapters = {slot: ScaledAdapter(read_header(file), 1.0) for slot, file in enumerate(files, start=1)}
    monkeypatch.setattr(tensors, "_OBJECT_BYTES", tensors._OBJECT_BYTES + 8)
    with pytest.raises(EngineFailure, match="not laid out as declared"):
        tensors.ops()
    with Model(path) as model:
        stacks = Stacks(model, read_header(path))
        assert stacks.open(adapters) is None
        assert "not laid out as declared" in stacks.reason
        monkeypatch.undo()
        assert stacks.open(adapters) is not None
        stacks.close()
