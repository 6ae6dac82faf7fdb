"""README's way from a folder of texts to an answer: its four commands, as written, in a copy of the recipes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.corpus_util import letters

ROOT = Path(__file__).parents[2]


def commands(document: Path) -> list[str]:
    """The block that begins with preparing `my-texts`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith("python recipes/prepare.py my-texts")]
    return str(found).splitlines()


def test_both_documents_give_the_same_four() -> None:
    assert commands(ROOT / "README.md") == commands(ROOT / "recipes" / "README.md")
    assert len(commands(ROOT / "README.md")) == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_commands_from_texts_to_an_answer(tmp_path: Path, starter_path: Path) -> None:
    ignored = shutil.ignore_patterns("runs", "corpora", "results", "__pycache__")
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes", ignore=ignored)
    for number, letter in enumerate(letters("riders", speakers=10, each=8)):
        file = tmp_path / "my-texts" / str(letter.speaker) / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(letter.text, encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path, "PLOCAL_HOME": str(tmp_path / "home"), "PLOCAL_THREADS": "1"}

    def run(command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done

    prepare, train, export, ask = commands(ROOT / "README.md")
    assert "80 passages" in run(prepare).stdout
    config = tmp_path / "recipes" / "configs" / "mine.toml"
    config.write_text(config.read_text().replace("tokens = 50_000", "tokens = 3_000"))
    assert "recipes/runs/mine" in run(train).stderr
    assert "parity: probabilities differ by at most" in run(export).stdout
    answer = run(ask).stdout
    assert "mine" in answer and re.search(r"council|plan|letter", answer)
