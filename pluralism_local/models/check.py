"""Whether a model's file is whole: its header, its tensors, and its checksum where somebody has one on record.

    files ──verify──> SoundFile per file | Refused: the checksum is another | NotFound, InvalidInput: no sound model

The Hub's cache names its files by their SHA-256; a package that brings a model lists its files' digests, and so does
the note beside a copy that was made faster. For any other file there is nothing to compare with, and that is said.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pluralism_local.errors import Cancelled, Refused
from pluralism_local.files import open_regular
from pluralism_local.models.details import parts, whole
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.optimized import is_copy, read

_BLOCK = 4 * 1024**2  # bytes


@dataclass(frozen=True, slots=True)
class SoundFile:
    """One sound file. `compared_with` says who has the same checksum on record; None if nobody has one."""

    path: Path
    file_bytes: int
    tensors: int
    sha256: str
    compared_with: str | None


def verify(
    path: Path,
    progress: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> list[SoundFile]:
    """Read the model at `path` (its first part) whole, all parts of it.

    `progress` gets the share that is read, in [0, 1], in steps of a hundredth or more.

    Raises:
        NotFound, InvalidInput: it is not there, no whole GGUF file, or a model that cannot be run.
        Refused: a checksum is not the one on record.
        Cancelled: `should_stop` said so.
    """
    files = parts(path)
    headers = [read_header(file) for file in files]
    whole(headers[0])
    total = sum(header.file_bytes for header in headers) or 1
    checked, done = [], 0
    for file, header in zip(files, headers, strict=True):
        digest = _digest(file, _hundredths(progress, done, total), should_stop)
        expected, by = on_record(file)
        if expected not in (None, digest):
            raise Refused(
                f"{file} is not what {by} has on record: its SHA-256 is {digest}, not {expected}.",
                "Delete the file and get it again.",
            )
        checked.append(SoundFile(file, header.file_bytes, len(header.tensors), digest, by))
        done += header.file_bytes
    return checked


def on_record(path: Path) -> tuple[str | None, str | None]:
    """The checksum that a file should have, and who says so; (None, None) if nobody does."""
    blob = path.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name, "the Hub's cache"
    for package in metadata.packages_distributions().get(path.parent.name, []):
        for entry in metadata.files(package) or []:
            if entry.name == path.name and entry.hash is not None and entry.hash.mode == "sha256":
                digest = urlsafe_b64decode(entry.hash.value + "=" * (-len(entry.hash.value) % 4))
                return digest.hex(), f"the package {package}"
    copy = read(path) if is_copy(path) else None
    if copy is not None:
        return copy.sha256, "the note beside it"
    return None, None


def _digest(path: Path, read: Callable[[int], None], should_stop: Callable[[], bool]) -> str:
    """The file's SHA-256; `read` is told how many bytes are read."""
    digest, count = hashlib.sha256(), 0
    with open_regular(path) as file:
        while block := file.read(_BLOCK):
            if should_stop():
                raise Cancelled()
            digest.update(block)
            count += len(block)
            read(count)
    return digest.hexdigest()


def _hundredths(progress: Callable[[float], None], done: int, total: int) -> Callable[[int], None]:
    """Passes on only what changes the percentage."""
    last = -1

    def read(count: int) -> None:
        nonlocal last
        percent = 100 * (done + count) // total
        if percent != last:
            last = percent
            progress(min(1.0, (done + count) / total))

    return read
