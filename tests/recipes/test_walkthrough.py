"""From a folder of texts to an answer: the same four commands in both documents, of scripts that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(document: Path) -> list[str]:
    """The block that begins with preparing `my-texts`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith("python recipes/prepare.py my-texts")]
    return str(found).splitlines()


def test_both_documents_give_the_same_four() -> None:
    found = commands(ROOT / "docs" / "communities.md")
    assert found == commands(ROOT / "recipes" / "README.md")
    assert len(found) == 4
    for command in found[:3]:
        assert (ROOT / command.split()[1]).is_file()
