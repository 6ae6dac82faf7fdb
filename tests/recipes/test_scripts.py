"""The scripts: what they may import; the modules behind them are held to `recipes/contracts.toml`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPTS = sorted(RECIPES.glob("*.py"))
FRONT_ENDS = ("pluralism_local.__main__", "pluralism_local.cli", "pluralism_local.tui")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_uses_the_library_never_its_front_ends_nor_the_engines_own_library(path: Path) -> None:
    modules = {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "communitylm.command" in modules  # so that it ends as the others do
    assert not {name for name in modules if name.startswith((*FRONT_ENDS, "llama_cpp"))}
