"""Files as every room above handles them: opened with our errors, replaced whole, and hashed once.

    path ──open_regular──> a binary file | NotFound | InvalidInput
    text ──write_atomic──> the file, old or new, never half
    plain value ──digest──> 64 hex digits
    text ──key_of──> a name for what is cached about it
    (path, size, modification time) ──remembered──> what was computed from the file before

A cache is a convenience: a damaged one is begun anew, one that cannot be written is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.unfinished import beside, sweep

DIGESTS = "files.json"
"""Of the cache folder: what is remembered of models and adapters; see `remembered`."""

LFS_START = b"version https://git-"
LFS_HINT = "This is a Git LFS pointer, a note about the file: fetch the file itself with `git lfs pull`."


def key_of(text: str) -> str:
    """32 hex digits that tell `text` from all others: a name for the cached file that `text` says what it is of."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is Git LFS's note about a file, and not the file."""
    with open_regular(path) as file:
        return file.read(len(LFS_START)) == LFS_START


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading bytes.

    Raises:
        NotFound: there is no such file.
        InvalidInput: a folder, a device or a pipe (which might never end), or not readable.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _missing(path) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"{str(path)!r} cannot be read: {reason}.") from error
    raise InvalidInput(f"{path} is {kind_of(mode)}, not a file.")


def _missing(path: Path) -> NotFound:
    if path.is_symlink():
        return NotFound(
            f"{path} is a link to {path.readlink()}, which is not there.",
            "Give another file, or make the link anew.",
        )
    return NotFound(f"There is no file {path}.")


def kind_of(mode: int) -> str:
    """What an `st_mode` of no regular file says that it is, with its article."""
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISBLK(mode):
        return "a disk"
    return "a socket" if stat.S_ISSOCK(mode) else "a device or a pipe"


def digest(value: object, *, escaped: bool = False) -> str:
    """64 hex digits of the sha256 of a plain value as JSON with sorted keys, which says the same of equal values.

    Args:
        escaped: write what is not ASCII as ``\\u`` escapes, as files of this project that are compared by such
            digests may have been written.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=escaped)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Replace a file of our own by one with this text (UTF-8); readers see the old one or the new one.

    Makes the folders above it. A symbolic link is followed, so that it stays a link. What a user names as a place
    for output is `output_file`'s.

    Raises:
        OSError: the folder cannot be written; `path` is untouched.
        InvalidInput: what is there is a folder, a device, a pipe or a socket, which is left alone.
    """
    path.resolve().parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise InvalidInput(f"{path} is {kind_of(mode)}, not a file.", "Move it away.")
    replace_whole(path, text.encode("utf-8"))


def replace_whole(path: Path, content: bytes) -> None:
    """Replace a regular file, or nothing, by one with this content that is on the disk before it has the name.

    Raises: OSError; `path` is untouched.
    """
    path = path.resolve()
    sweep(path.parent, path.name)
    with beside(path) as temporary:
        with temporary.open("r+b") as file:
            # a new file has the user's own permissions, one that is there keeps its, which may guard a secret: so
            # before there is anything to read
            if path.exists():
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def remembered(path: Path, what: str, compute: Callable[[], str], cache: Path | None) -> str:
    """`compute()`, or its earlier result under the name `what` for the same file.

    The same file means equal resolved path, size and modification time (ns). The results lie in the JSON file
    `cache`; None computes always. Files that are gone are forgotten.
    """
    before = _stamp(path)
    if cache is None or before is None:
        return compute()
    key = str(path.resolve())
    entry = _read_entries(cache).get(key, {})
    remembered_value = entry.get(what)
    if isinstance(remembered_value, str) and entry.get("stamp") == before:
        return remembered_value
    value = compute()
    if _stamp(path) == before:  # else somebody is still writing it
        entries = _read_entries(cache)
        entry = entries.get(key, {})
        current = entry if entry.get("stamp") == before else {}
        entries[key] = {**current, "stamp": before, what: value}
        present = {name: entry for name, entry in entries.items() if _stamp(Path(name)) is not None}
        with contextlib.suppress(OSError, InvalidInput):
            write_atomic(cache, json.dumps(present, indent=1) + "\n")
    return value


def _stamp(path: Path) -> list[int] | None:
    """[bytes, modification time in ns], or None if there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


def _read_entries(cache: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(cache.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {name: entry for name, entry in entries.items() if isinstance(entry, dict)}
