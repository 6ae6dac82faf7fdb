"""Scripts of replies as files, for the command line."""

from __future__ import annotations

import json
from pathlib import Path


def script(folder: Path, *replies: dict[str, object], **more: object) -> str:
    """A model name for these replies."""
    file = folder / "script.json"
    file.write_text(json.dumps({"replies": replies, **more}))
    return f"scripted:{file}"
