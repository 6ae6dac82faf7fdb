"""Values far beyond what a machine has are refused or met, and never end the process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Model
from pluralism_local.engine.lane import Lane
from pluralism_local.engine.library import install_log
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import EngineFailure, InvalidInput
from tests.support.llama_requests import ask, texts
from tests.support.tiny.model import write_tiny


@pytest.fixture(scope="module")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("limits") / "tiny.gguf")


@pytest.mark.parametrize("threads", [513, 100_000, 2**31, 2**70])
def test_more_threads_than_llama_cpp_has_room_for_are_refused(threads: int) -> None:
    with pytest.raises(InvalidInput, match="--threads must be at most 512") as caught:
        LlamaOptions(threads=threads)
    assert "leave it out" in caught.value.hint


def test_as_many_threads_as_it_has_room_for_do_not_end_the_process(tiny_path: Path) -> None:
    with LlamaEngine(tiny_path, name="tiny", options=LlamaOptions(threads=64)) as engine:
        assert len(texts(engine, [ask("Hi", tokens=1)])) == 1


def test_a_context_beyond_the_memory_is_refused(tiny_path: Path) -> None:
    """llama.cpp would ask for it, get it, and be ended by the system when it clears it."""
    install_log()
    with Model(tiny_path) as model:
        assert model.cell_bytes == 2 * 2 * 8 * 2 * 2  # layers, KV heads, head, keys and values, F16
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        cells = memory // model.cell_bytes + 256
        with pytest.raises(EngineFailure, match=f"not enough memory for a context of {cells} tokens"):
            Context(model, cells=cells, sequences=1, threads=1)


def test_hundreds_of_communities_are_asked_in_waves(tiny_path: Path) -> None:
    with LlamaEngine(tiny_path, name="tiny", options=LlamaOptions(threads=1)) as engine:
        assert len(texts(engine, [ask(f"Community {number}?", tokens=1) for number in range(300)])) == 300


def test_batches_side_by_side_share_their_cells_out(
    engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six texts that may fill 1,000 cells each: two contexts hold 4,096 cells together, not each."""
    made: list[int] = []
    real = Lane.reserve

    def note(lane: Lane, cells: int, threads: int, *more: Any, **others: Any) -> None:
        made.append(cells)
        real(lane, cells, threads, *more, **others)

    monkeypatch.setattr(Lane, "reserve", note)
    list(engine.generate([ask(f"Say {i}.", tokens=1000) for i in range(6)], should_stop=lambda: bool(made)))
    assert made and max(made) <= 2048 + 64
