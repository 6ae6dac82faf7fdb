"""TOML files that a person wrote: read with the line of a fault, and one setting changed, comments and order kept.

path ──read_bytes──> content ──parse──> values          text, setting ──with_setting──> text
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import open_regular

MAX_CONFIG_BYTES = 1024**2
_SYNTAX_ERROR = re.compile(r"(?P<what>.*) \(at (?P<where>line \d+, column \d+|end of document)\)", re.DOTALL)


def read_bytes(path: Path) -> bytes:
    """The file's content; empty if there is no such file.

    Raises:
        InvalidInput: it is no regular file, cannot be read, or is larger than 1 MiB.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except NotFound:
        return b""
    if len(content) > MAX_CONFIG_BYTES:
        raise InvalidInput(f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; a config file is a few lines.")
    return content


def text_of(content: bytes, path: Path) -> str:
    """The file's text, without a byte-order mark.

    Raises:
        InvalidInput: it is not UTF-8, with the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}, line {line}: this is not UTF-8 text.") from error


def parse(content: bytes, path: Path) -> dict[str, Any]:
    """The top-level entries of the file's content.

    Raises:
        InvalidInput: it is not TOML, with the line.
    """
    try:
        return tomllib.loads(text_of(content, path))
    except (ValueError, RecursionError) as error:
        match = _SYNTAX_ERROR.fullmatch(str(error))
        what, where = (match["what"], match["where"]) if match else (str(error), "end of document")
        last_line = content.count(b"\n") + 1
        where = where.replace("end of document", f"line {last_line}")
        raise InvalidInput(
            f"{path}, {where}: {what}.", 'A setting is a line such as model = "starter"; text needs quotes.'
        ) from error


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
