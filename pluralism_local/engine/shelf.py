"""Files that can be made again: found by a key, written once, known to be whole, the least used thrown away.

    key ──find──> <folder>/<key>.gguf | None: not there, or damaged and thrown away
    key, made_of, write ──add──> the file, with a note beside it: <key>.json (bytes, time, SHA-256, what it is made of)
    folder ──entries──> ShelfFile…          ShelfFile ──check──> "whole" | "damaged"

A file is taken as it is while its size and time are those of the note. Read whole and compared with its SHA-256 it is
when these differ, once after every start of the machine (a power cut is what damages files unseen), and when somebody
asks. What a killed process left half-written is removed at the next `find`. A file without a note is made again: its
writer was killed before it was sure of it, or is of an older version.

Failure modes: `add` raises what its `write` raises, or OSError; the others do without what cannot be read or written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pluralism_local.files import replace_whole
from pluralism_local.unfinished import ABANDONED_SECONDS, sweep

WEIGHTS, CANDIDATES = "weights", "candidates"
"""Names of the shelves' folders in the cache."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_OLDER_FORM = re.compile(r"\.[0-9a-f]{32}\.gguf\.[a-z0-9_]{8}")
"""What earlier versions called a file that they were writing, without a lock."""


@dataclass(frozen=True, slots=True)
class ShelfFile:
    """A file on a shelf.

    Attributes:
        made_of: what its writer noted: names of the model and of what else went in.
        used: when it was last taken from the shelf.
        sha256: hex digest when it was written; None without a note.
    """

    path: Path
    file_bytes: int
    used: datetime
    made_of: Mapping[str, Any]
    sha256: str | None


class Shelf:
    """The files in `folder`, which need not be there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Path | None:
        """The whole file of this key, which counts as used now; None if there is none any more."""
        self.tidy()
        path = self._path(key)
        if not path.exists():
            return None
        if self.check(path) == "damaged":
            self.discard(path)
            return None
        with suppress(OSError):  # a folder that can only be read is a shelf, too
            os.utime(_note_of(path))
        return path

    def add(self, key: str, made_of: Mapping[str, Any], write: Callable[[Path], None], most: int) -> Path:
        """Have the file of this key written, and keep it and the last used, `most` in all.

        `write` puts it into its place whole and synced to the disk, or raises.

        Raises: OSError; what `write` raises.
        """
        path = self._path(key)
        self._folder.mkdir(parents=True, exist_ok=True)
        write(path)
        _put_note(path, {"sha256": _sha256(path), "made_of": dict(made_of)})
        for entry in sorted(self.entries(), key=lambda entry: entry.used, reverse=True)[most:]:
            if entry.path != path:
                self.discard(entry.path)  # a process that has it open keeps it until it closes it
        return path

    def check(self, path: Path, *, whole: bool = False) -> Literal["whole", "damaged"]:
        """Whether a file of this shelf is what was written; `whole` reads it in any case."""
        note = _note(path)
        try:
            if note is None or note["bytes"] != path.stat().st_size:
                return "damaged"
            if not whole and note["mtime_ns"] == path.stat().st_mtime_ns and note["checked"] == _occasion():
                return "whole"
            if _sha256(path) != note["sha256"]:
                return "damaged"
        except OSError:
            return "damaged"
        with suppress(OSError):
            used = _note_of(path).stat()
            _put_note(path, note)
            os.utime(_note_of(path), ns=(used.st_atime_ns, used.st_mtime_ns))
        return "whole"

    def discard(self, path: Path) -> None:
        """Throw a file of this shelf away."""
        for file in (_note_of(path), path):
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def entries(self) -> list[ShelfFile]:
        """What is on the shelf, by name."""
        listed = []
        for path in sorted(self._folder.glob("*.gguf")):
            with suppress(OSError):
                note = _note(path) or {}
                file = path.stat()
                used = _note_of(path).stat().st_mtime if note else file.st_mtime
                moment = datetime.fromtimestamp(used, UTC)
                made_of = note.get("made_of")
                parts = made_of if isinstance(made_of, dict) else {}
                listed.append(ShelfFile(path, file.st_size, moment, parts, note.get("sha256")))
        return listed

    def tidy(self) -> int:
        """Remove what killed processes left here; how many files that were."""
        removed = sweep(self._folder)
        for path in self._leftovers():
            with suppress(OSError):
                path.unlink()
                removed += 1
        return removed

    def _leftovers(self) -> list[Path]:
        """Half-written files of earlier versions that nobody is writing any more, and notes without their file."""
        try:
            paths = [Path(entry.path) for entry in os.scandir(self._folder)]
        except OSError:
            return []
        left = [path for path in paths if path.suffix == ".json" and not path.with_suffix(".gguf").exists()]
        for path in paths:
            with suppress(OSError):
                if (
                    _OLDER_FORM.fullmatch(path.name)
                    and time.time() - path.stat().st_mtime > ABANDONED_SECONDS
                ):
                    left.append(path)
        return left

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.gguf"


def _note_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _put_note(path: Path, facts: Mapping[str, Any]) -> None:
    """Note `facts` about the file, with what it looks like now.

    Raises: OSError
    """
    status = path.stat()
    note = {**facts, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "checked": _occasion()}
    replace_whole(_note_of(path), (json.dumps(note, ensure_ascii=False, indent=1) + "\n").encode())


def _note(path: Path) -> dict[str, Any] | None:
    """The note about the file; None without a usable one."""
    try:
        note = json.loads(_note_of(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    kinds = {"sha256": str, "bytes": int, "mtime_ns": int, "checked": str}
    if not isinstance(note, dict) or not all(isinstance(note.get(key), kind) for key, kind in kinds.items()):
        return None
    return note


def _occasion() -> str:
    """What changes when the machine starts anew; where the system does not tell, every day."""
    try:
        return _BOOT.read_text("ascii").strip()
    except (OSError, ValueError):
        return datetime.now(UTC).date().isoformat()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
