"""The engine without the folder `stacking`, as if it were deleted: all else runs, and adapters run apart."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pluralism_local
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.models.gguf_file import sha256_of
from pluralism_local.types import AdapterRef
from tests.support.llama_requests import ask, letters, texts
from tests.support.tiny.model import write_tiny, write_tiny_adapter

SCRIPT = """
import importlib, json, pkgutil, sys
import pluralism_local
from tests.engine.test_together import replies

names = [module.name for module in pkgutil.walk_packages(pluralism_local.__path__, "pluralism_local.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert not any("stacking" in name for name in names), names
print(json.dumps(replies(*sys.argv[1:])))
"""


def replies(model: str, *adapters: str, together: str = "auto") -> dict[str, object]:
    """What an engine makes of requests of the base and these adapters."""
    refs = [AdapterRef(Path(file), sha256_of(Path(file))) for file in adapters]
    options = replace(LlamaOptions(threads=1, lanes=2), together=together)  # type: ignore[arg-type]
    with LlamaEngine(Path(model), name="tiny", options=options) as engine:
        written = texts(engine, [ask(adapter=ref, tokens=8, temperature=1.0) for ref in (None, *refs)])
        weighed = engine.distribution([letters(adapter=ref) for ref in refs])
        return {
            "texts": written,
            "distributions": [list(each.p) for each in weighed],
            "way": engine.stats.way,
            "stacked": engine.stats.stacked,
        }


def test_all_runs_apart_where_the_folder_is_not(tmp_path: Path) -> None:
    model = write_tiny(tmp_path / "tiny.gguf")
    adapters = [write_tiny_adapter(tmp_path / f"{seed}.gguf", model, seed=seed) for seed in (1, 2)]
    package, tree = Path(pluralism_local.__file__).parent, tmp_path / "tree"
    shutil.copytree(package, tree / "pluralism_local", ignore=shutil.ignore_patterns("__pycache__", "*.gguf"))
    shutil.rmtree(tree / "pluralism_local" / "engine" / "stacking")
    (tree / "tests").symlink_to(package.parent / "tests")
    files = [str(file) for file in (model, *adapters)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *files],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    without = json.loads(done.stdout.splitlines()[-1])
    assert without.pop("way") == "apart (this installation is without engine.stacking)"
    apart = replies(*files, together="apart")
    assert apart.pop("way") == "apart (apart was asked for)"
    assert without == apart
    both = replies(*files)
    assert (both["stacked"], both["texts"]) == (2, apart["texts"]), (
        "here the folder is there, and says the same"
    )
