"""Contexts of models with two sets of factors lie on one side of where llama.cpp takes the other set."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.rotation import ANY_SIZE, cell_bounds, switch
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.families import FAMILIES, SHORT_CONTEXT
from tests.support.tiny.model import write_tiny


def test_only_two_sets_of_factors_have_a_switch(tmp_path: Path) -> None:
    for name, tiny in FAMILIES.items():
        header = read_header(write_tiny(tmp_path / f"{name}.gguf", tiny))
        assert switch(header) == (SHORT_CONTEXT if name == "phi3" else None)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_all_contexts_lie_on_the_side_of_the_longest_text(limit: int, context: int, cells: int) -> None:
    clamped = cell_bounds(limit, context).clamp(cells)
    assert (clamped > limit) == (context > limit)
    if cells <= context <= limit or limit < cells:
        assert clamped >= min(cells, context)
    assert ANY_SIZE.clamp(cells) == cell_bounds(None, context).clamp(cells) == cells
