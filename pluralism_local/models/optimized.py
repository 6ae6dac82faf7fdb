"""What `plocal models optimize` keeps: a model's faster copies, and the note beside each.

    source, tag, folders ──find──> OptimizedCopy | NotFound | Refused: not whole, or the source is another one now
    candidate, note ──keep──> <source>.plocal-Q4_0.gguf with <source>.plocal-Q4_0.json
    data folder ──everywhere──> OptimizedCopy…

A copy lies beside its source, or, where that folder is another program's or cannot be written, in the data folder under
a name that holds a digest of the source's place, too. The folders that hold any are listed in the data folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pluralism_local.errors import Cancelled, InvalidInput, NotFound, Refused
from pluralism_local.files import replace_whole
from pluralism_local.model_names import COPY_TYPES, FAST
from pluralism_local.unfinished import beside

FOLDER = "optimized"
"""Of the data folder, for copies that cannot lie beside their source."""

_FOLDERS = "folders.json"
_MARK = ".plocal-"
_BLOCK = 4 * 1024**2
_REVISION = re.compile(r"(/models--[^/]+/snapshots)/[^/]+/")


@dataclass(frozen=True, slots=True)
class CopySource:
    """A model's file, or files, as they were when a copy was written.

    Attributes:
        path: its first file.
        sha256: hex digest; see `models.store.identity`.
        file_bytes: of all parts.
        mtime_ns: of the part that was changed last.
    """

    path: str
    sha256: str
    file_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class OptimizedCopy:
    """A copy, by its note.

    Attributes:
        path: the copy.
        kind: its file type, one of `COPY_TYPES`.
        file_bytes, sha256: of the copy.
        written: ISO 8601, UTC.
        llama_cpp: version of llama-cpp-python that wrote it.
        requantized: whether the source was quantized already.
        figures: what was measured, of "source" and "copy".
    """

    path: Path
    source: CopySource
    kind: str
    file_bytes: int
    sha256: str
    written: str
    llama_cpp: str
    requantized: bool
    figures: dict[str, Any] = field(default_factory=dict)


def stamp(files: Sequence[Path], sha256: str) -> CopySource:
    """What tells these files, the parts of one model, from what they may become.

    Raises: OSError
    """
    states = [file.stat() for file in files]
    total, latest = sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)
    return CopySource(str(files[0].absolute()), sha256, total, latest)


def places(source: Path, data_dir: Path, *, is_managed: bool) -> list[Path]:
    """The folders that copies of `source` may lie in; `is_managed`: its own is another program's."""
    own = data_dir / FOLDER
    return [own] if is_managed else [source.absolute().parent, own]


def target(source: Path, kind: str, data_dir: Path, *, is_managed: bool) -> Path:
    """Where a copy of `source` is to lie: beside it if that can be."""
    first = places(source, data_dir, is_managed=is_managed)[0]
    folder = first if is_managed or os.access(first, os.W_OK) else data_dir / FOLDER
    return folder / _name(source, kind, folder)


def find(
    model: str,
    files: Sequence[Path],
    tag: str,
    folders: Iterable[Path],
    sha256: Callable[[], str],
) -> OptimizedCopy:
    """The copy of `files`, the parts of the model called `model`, that `tag` means.

    `sha256` is asked for the source's only where its size or time is not the noted one.

    Raises:
        NotFound: there is none.
        Refused: the source has changed since, or the copy is not what was written.
    """
    again = f"Make it with: plocal models optimize {model}"
    kinds = COPY_TYPES if tag == FAST else (tag,)
    notes = [folder / _name(files[0], kind, folder) for folder in folders for kind in kinds]
    copies = [copy for path in notes if (copy := read(path)) is not None]
    if not copies:
        what = "no faster copy" if tag == FAST else f"no copy in {tag}"
        raise NotFound(f"There is {what} of the model '{model}'.", f"{again}.")
    copy = max(copies, key=lambda candidate: candidate.written)
    if not _is_current(copy, files, sha256):
        raise Refused(f"'{model}@{tag}' was made of what '{model}' was before it changed.", f"{again}.")
    size = copy.path.stat().st_size
    if size != copy.file_bytes:
        raise Refused(
            f"{copy.path} is not what was written: it has {size:,} bytes, not {copy.file_bytes:,}.",
            f"{again}.",
        )
    return copy


def keep(
    candidate: Path,
    copy: OptimizedCopy,
    data_dir: Path,
    progress: Callable[[float], None],
    should_stop: Callable[[], bool],
) -> None:
    """Move the whole file `candidate` to `copy.path`, and note it there; readers see the old copy or the new one.

    Raises:
        Cancelled: `should_stop` turned true while it was copied to another disk; nothing is kept.
        InvalidInput: the place is taken by what is no file.
        OSError: it cannot be written there.
    """
    copy.path.parent.mkdir(parents=True, exist_ok=True)
    if copy.path.is_dir():
        raise InvalidInput(f"{copy.path} is a folder.", "Move it away.")
    if candidate.stat().st_dev == copy.path.parent.stat().st_dev:
        candidate.replace(copy.path)
    else:
        _copy(candidate, copy.path, progress, should_stop)
    replace_whole(note_of(copy.path), (json.dumps(_record(copy), indent=1) + "\n").encode())
    _list_folder(copy.path.parent, data_dir)


def read(path: Path) -> OptimizedCopy | None:
    """The note of the copy `path`; None if either is not there or the note says nothing of use."""
    try:
        note = json.loads(note_of(path).read_bytes())
        source = CopySource(**note.pop("source"))
        note.pop("schema")
        copy = OptimizedCopy(path=path, source=source, **note)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    texts = (copy.kind, copy.sha256, copy.written, source.path, source.sha256)
    numbers = (copy.file_bytes, source.file_bytes, source.mtime_ns)
    sound = all(isinstance(text, str) for text in texts) and all(isinstance(count, int) for count in numbers)
    return copy if sound and copy.kind in COPY_TYPES and path.is_file() else None


def note_of(path: Path) -> Path:
    """Where the note of the copy `path` lies."""
    return path.with_suffix(".json")


def is_copy(path: Path) -> bool:
    """Whether `path` is named as a copy is."""
    return _MARK in path.name and path.name.partition(_MARK)[2] in {f"{kind}.gguf" for kind in COPY_TYPES}


def everywhere(data_dir: Path) -> list[OptimizedCopy]:
    """All copies with their notes, of every source, by path."""
    folders = {data_dir / FOLDER, *_listed_folders(data_dir)}
    copies = []
    for folder in sorted(folders):
        with suppress(OSError):
            copies += [read(path) for path in sorted(folder.glob(f"*{_MARK}*.gguf")) if is_copy(path)]
    return [copy for copy in copies if copy is not None]


def same_place(left: Path, right: Path) -> bool:
    """Whether two paths are one source, in the Hub's cache whatever the revision."""
    return _place(left) == _place(right)


def _name(source: Path, kind: str, folder: Path) -> str:
    """The copy's name: elsewhere than beside its source with a digest of where that lies."""
    stem = source.name.removesuffix(".gguf")
    if folder != source.absolute().parent:
        stem = f"{stem[:100]}-{hashlib.sha256(_place(source).encode()).hexdigest()[:12]}"
    return f"{stem}{_MARK}{kind}.gguf"


def _place(source: Path) -> str:
    """The source's place as long as it is the same model to a user: another revision of a Hub's file is."""
    absolute = source.absolute().as_posix()
    of_hub = _REVISION.sub(r"\1/", absolute)
    return of_hub if of_hub != absolute else source.resolve().as_posix()


def _is_current(copy: OptimizedCopy, files: Sequence[Path], sha256: Callable[[], str]) -> bool:
    seen = stamp(files, "")
    noted = copy.source
    if (seen.file_bytes, seen.mtime_ns) == (noted.file_bytes, noted.mtime_ns):
        return True
    return seen.file_bytes == noted.file_bytes and sha256() == noted.sha256


def _copy(
    source: Path, out: Path, progress: Callable[[float], None], should_stop: Callable[[], bool]
) -> None:
    size, copied = max(1, source.stat().st_size), 0
    with beside(out) as temporary:
        with source.open("rb") as reader, temporary.open("r+b") as writer:
            while block := reader.read(_BLOCK):
                if should_stop():
                    raise Cancelled
                writer.write(block)
                copied += len(block)
                progress(min(1.0, copied / size))
            writer.flush()
            os.fsync(writer.fileno())
        temporary.replace(out)


def _record(copy: OptimizedCopy) -> dict[str, Any]:
    note = asdict(copy)
    del note["path"]
    return {"schema": "plocal.optimized/1", **note}


def _listed_folders(data_dir: Path) -> list[Path]:
    try:
        listed = json.loads((data_dir / FOLDER / _FOLDERS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    return [Path(name) for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _list_folder(folder: Path, data_dir: Path) -> None:
    """Remember that `folder` holds copies; the list is a convenience, and done without where it cannot be written."""
    folders = sorted({str(folder), *(str(path) for path in _listed_folders(data_dir) if path.is_dir())})
    with suppress(OSError):
        (data_dir / FOLDER).mkdir(parents=True, exist_ok=True)
        replace_whole(data_dir / FOLDER / _FOLDERS, (json.dumps(folders, indent=1) + "\n").encode())
