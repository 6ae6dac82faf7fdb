"""Changing one line of a TOML file that a person wrote: text in, text out, comments and order kept."""

from __future__ import annotations

import tomllib
from collections.abc import MutableMapping
from typing import Any


def with_setting(content: str, key: str, value: Any) -> str:
    """The TOML text `content` with the top-level `key` set to `value`.

    A dict is merged into the table of that name; any other value replaces what was there. A new setting goes
    after the last one, above the first table and the comment over it. `content` must be valid TOML.
    """
    import tomlkit

    if content and not content.endswith("\n"):
        content += "\n"
    document = tomlkit.parse(content)
    if isinstance(value, dict):
        if isinstance(document.get(key), MutableMapping):
            document[key].update(value)
        else:
            document.pop(key, None)  # replaced in place, a table would swallow the settings below it
            document[key] = value
        return tomlkit.dumps(document)
    if key in document and not isinstance(document[key], MutableMapping):
        document[key] = value
        return tomlkit.dumps(document)
    document.pop(key, None)
    # tomlkit would add it between the first table and that table's comment
    lines = tomlkit.dumps(document).split("\n")
    at = _end_of_settings(lines)
    return "\n".join([*lines[:at], tomlkit.dumps({key: value}).rstrip("\n"), *lines[at:]])


def _end_of_settings(lines: list[str]) -> int:
    """Index of the line to put a new setting before: the end, or what belongs to the first table."""
    headers = (index for index, line in enumerate(lines) if line.lstrip().startswith("["))
    at = next((index for index in headers if _is_toml("\n".join(lines[:index]))), None)
    if at is None:
        return len(lines) - 1
    above = at
    while above and _is_remark(lines[above - 1]):
        above -= 1
    return above if _is_toml("\n".join(lines[:above])) else at  # else these lines end a text of several lines


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _is_toml(text: str) -> bool:
    """Whether the text is whole: a ``[`` after it then begins a table, not a row of an open array."""
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True
