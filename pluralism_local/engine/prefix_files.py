"""Prefixes on the disk: the cells of a persona or an instruction, so that no later process reads it again.

    tokens ──find──> llama.cpp's serialised cells | None: not there, damaged, or of another setup
    tokens, cells ──keep──> <folder>/<key>.cells, written beside the work that goes on
    folder ──entries──> PrefixFile…          PrefixFile ──is_whole──> whether it is what was written

A file's key is a hash of the tokens and of everything that decides what their cells are and whether this library can
read them: the model file, how it runs, how contexts are made, processor and build of the library. Its first line says
what it belongs to, and has a SHA-256 of key and cells, which is compared at every use: what does not agree is thrown
away and read by the model again. Nothing else is in it, no text and no tokens; what is handed to `keep` must not
depend on what a user asked (see `recurring`).

Files go when the folder takes more than `MOST_BYTES`, those first that were not used for longest. Several processes
may use one folder: files appear whole, and one that is gone is one that is not there.

Failure modes: none. What cannot be read is not there; after an error nothing more is written.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pluralism_local.engine import kernel_safety
from pluralism_local.files import key_of
from pluralism_local.unfinished import beside, sweep

PREFIXES = "prefixes"
"""Name of their folder in the cache."""

MOST_BYTES = 512 * 2**20
"""What a folder may hold: a persona of 80 tokens takes 2 to 10 MB, by the model."""

_FORM = 1
"""Changes when files or contexts are laid out differently, so that old files are not found."""

_LONGEST_LINE = 65536


@dataclass(frozen=True, slots=True)
class PrefixFile:
    """A file of a folder.

    Attributes:
        used: when it was last read or written.
        tokens: how many tokens' cells it has; None where it does not say.
        model: path of the model that it belongs to, where it says one.
    """

    path: Path
    file_bytes: int
    used: datetime
    tokens: int | None = None
    model: str | None = None


class PrefixFiles:
    """The files of one model, run in one way.

    Args:
        folder: need not be there.
        setup: everything but the tokens that decides what their cells are, as one text.
        model: the file that the user knows, noted for people.
        most: bytes that the folder may hold.
    """

    def __init__(self, folder: Path, setup: str, model: Path, *, most: int = MOST_BYTES) -> None:
        self._folder, self._setup, self._model, self._most = folder, setup, str(model.absolute()), most
        self._writer: ThreadPoolExecutor | None = None
        self._is_given_up = False

    @classmethod
    def of(cls, folder: Path | None, parts: Sequence[object], model: Path) -> Self | None:
        """Those of what `parts` tell from all else (by their `repr`), on this machine; None without a folder."""
        if folder is None:
            return None
        machine = (kernel_safety.settle().dropped, kernel_safety.machine_key())
        return cls(folder, "\n".join(map(repr, (*parts, *machine))), model)

    def find(self, tokens: Sequence[int]) -> bytes | None:
        """The cells of `tokens`, which count as used now; None if they must be read by the model."""
        path = self._path(tokens)
        cells = _cells(path)
        if cells is None:
            discard(path)
            return None
        with suppress(OSError):  # a folder that can only be read serves, too
            os.utime(path)
        return cells

    def keep(self, tokens: Sequence[int], cells: bytes) -> None:
        """Have the cells of `tokens` written; `close` waits for it."""
        if self._is_given_up:
            return
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="prefixes")
        self._writer.submit(self._write, self._path(tokens), len(tokens), cells)

    def discard_all(self) -> None:
        """Throw away what any model keeps in the folder: weights that it was read with turned out to be damaged."""
        self.close()
        for entry in entries(self._folder):
            discard(entry.path)

    def close(self) -> None:
        """Wait until everything is written."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def _path(self, tokens: Sequence[int]) -> Path:
        key = key_of(f"{_FORM}\n{self._setup}\n{','.join(map(str, tokens))}")
        return self._folder / f"{key}.cells"

    def _write(self, path: Path, tokens: int, cells: bytes) -> None:
        if self._is_given_up or len(cells) > self._most:
            return
        line = {"model": self._model, "tokens": tokens, "sha256": _digest(path, cells)}
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with beside(path) as temporary:
                temporary.chmod(0o600)
                with temporary.open("r+b") as file:
                    file.write(json.dumps(line).encode() + b"\n")
                    file.write(cells)
                temporary.replace(path)  # no fsync: what a power cut leaves of it is seen by its digest
            self._shrink(path)
        except OSError:
            self._is_given_up = True

    def _shrink(self, newest: Path) -> None:
        """Throw away the files that were not used for longest, until the rest is small enough."""
        sweep(self._folder)
        held = sorted(entries(self._folder), key=lambda entry: entry.used, reverse=True)
        size = newest.stat().st_size
        for entry in held:
            if entry.path != newest:
                size += entry.file_bytes
                if size > self._most:
                    discard(entry.path)


def entries(folder: Path) -> list[PrefixFile]:
    """The files in `folder`, by name; empty if there is none."""
    listed = []
    for path in sorted(folder.glob("*.cells")):
        with suppress(OSError):
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                continue
            with path.open("rb") as file:
                line = _line(file.readline(_LONGEST_LINE))
            tokens, model = line.get("tokens"), line.get("model")
            listed.append(
                PrefixFile(
                    path,
                    status.st_size,
                    datetime.fromtimestamp(status.st_mtime, UTC),
                    tokens if isinstance(tokens, int) else None,
                    model if isinstance(model, str) else None,
                )
            )
    return listed


def is_whole(path: Path) -> bool:
    """Whether a file is what was written, read from its first byte to its last."""
    return _cells(path) is not None


def discard(path: Path) -> None:
    """Throw a file away; one that is not there is no error."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _cells(path: Path) -> bytes | None:
    """The cells in a file; None if it is not there or is not what was written under this name."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            line = _line(file.readline(_LONGEST_LINE))
            cells = file.read()
    except OSError:
        return None
    return cells if line.get("sha256") == _digest(path, cells) else None


def _line(line: bytes) -> dict[str, Any]:
    """The first line of a file; empty if it is none of ours."""
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _digest(path: Path, cells: bytes) -> str:
    """Of the cells under the file's name: under another one they are of no use."""
    digest = hashlib.sha256(path.stem.encode() + b"\n")
    digest.update(cells)
    return digest.hexdigest()
