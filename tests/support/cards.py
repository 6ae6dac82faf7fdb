"""Cards of communities, made of parts that a test can change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

MakeCard = Callable[..., Path]
FINGERPRINT = "sha256:" + "5e" * 32


def plocal(id: str, /, **changes: Any) -> dict[str, Any]:
    """A minimal valid `plocal:` block with some keys changed; None removes a key."""
    block = {
        "schema": 1,
        "id": id,
        "name": "A name",
        "description": "What this community is.",
        "persona": "We answer briefly.",
    }
    return {key: value for key, value in (block | changes).items() if value is not None}


def write_card(library: Path, id: str, front_matter: object) -> Path:
    """Write `<library>/<id>/README.md`; a text is taken as YAML as it is. Returns the folder."""
    folder = library / id
    folder.mkdir(parents=True, exist_ok=True)
    text = front_matter if isinstance(front_matter, str) else yaml.safe_dump(front_matter)
    (folder / "README.md").write_text(f"---\n{text}\n---\n\nText for people.\n", encoding="utf-8")
    return folder


def hashed(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
