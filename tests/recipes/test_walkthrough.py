"""From a folder of texts to an answer: the same four commands in both documents, of scripts that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(document: Path) -> list[str]:
    """The block that begins with preparing `my-texts`."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if block.startswith("python recipes/prepare.py my-texts")]
    return str(block).splitlines()


def test_both_documents_give_the_same_four() -> None:
    written = commands(ROOT / "docs" / "communities.md")
    assert written == commands(ROOT / "recipes" / "README.md")
    assert len(written) == 4
    for command in written[:3]:
        assert (ROOT / command.split()[1]).is_file()
