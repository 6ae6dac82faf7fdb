"""Settings' values as they are shown: for JSON, and as a person would type them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pluralism_local.remote_url import without_credentials
from pluralism_local.settings import Remote


def plain(value: Any) -> Any:
    """A setting's value as JSON has it, without the passwords of URLs."""
    if isinstance(value, Remote):
        value = value.model_dump(exclude_defaults=True)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return without_credentials(str(value)) if isinstance(value, str | Path) else value


def _target(entry: Any) -> str:
    """What a name stands for: a model, or a remote's address and the command that is run for its key."""
    if not isinstance(entry, dict):
        return str(entry)
    command = entry.get("api_key_cmd")
    return f"{entry['base_url']} (runs: {command})" if command else str(entry["base_url"])


def spell(value: Any) -> str:
    """A value as a person would type it; unset ones are a dash."""
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{name}={_target(target)}" for name, target in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
