"""Settings' values as they are shown: for JSON, and as a person would type them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pluralism_local.remote_url import without_credentials


def plain(value: Any) -> Any:
    """A setting's value as JSON has it, without the passwords of URLs."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return without_credentials(str(value)) if isinstance(value, str | Path) else value


def spell(value: Any) -> str:
    """A value as a person would type it; unset ones are a dash."""
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{name}={target}" for name, target in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
