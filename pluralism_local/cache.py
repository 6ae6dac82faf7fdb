"""What plocal keeps and can make again: copies of models, prefixes, logs, and what it remembers of files and machine.

    <cache> ──items──> Item…            Item… ──remove──> the files are gone, what is in use serves until it is closed
            ──verify──> Checked…: the damaged ones are thrown away

Nothing here is needed: a command that misses one makes it again. A prefix that a damaged copy may have read counts as
damaged itself.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from pluralism_local.engine import prefix_files
from pluralism_local.engine.prefix_files import PREFIXES
from pluralism_local.engine.shelf import CANDIDATES, WEIGHTS, Shelf, ShelfFile
from pluralism_local.unfinished import sweep

Kind = Literal["copies", "prefixes", "logs", "remembered"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_PACKS = "packs"
"""Folder of copies with a pool's adapters in them, which versions before 0.2 wrote and nothing reads any more."""

_SHELVES: dict[str, Kind] = {WEIGHTS: "copies", CANDIDATES: "copies", _PACKS: "copies"}
_VERIFIED: frozenset[Kind] = frozenset({"copies", "prefixes"})
_REMEMBERED = {
    "files": "checksums of files",
    "kernels": "which kernels of llama.cpp work here",
    "trials": "how models and adapters run here",
    "plans": "how models run fastest here",
    "habits": "what personas say to any question",
}
"""What a file of this name, or in a folder of it, is about."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the cache.

    Attributes:
        used: when it was last of use, as far as its times tell.
        about: what it belongs to, for people.
        model: the path of the model that a copy or a prefix is made of, if noted.
        adapters: paths of what else went into a copy of an older version.
    """

    kind: Kind
    path: Path
    file_bytes: int
    used: datetime
    about: str
    model: str | None = None
    adapters: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "kind": self.kind,
            "path": str(self.path),
            "file_bytes": self.file_bytes,
            "used": self.used.isoformat(timespec="seconds"),
            "about": self.about,
            "model": self.model,
            "adapters": list(self.adapters),
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """A copy or prefix that was read whole; a damaged one has been thrown away."""

    item: Item
    state: Literal["whole", "damaged"]


def items(folder: Path, kinds: Sequence[Kind] = KINDS) -> list[Item]:
    """What the cache in `folder` holds of these kinds; what killed commands left half-written is removed first."""
    sweep(folder)
    listed = [*_of_shelves(folder), *_prefixes(folder), *_logs(folder), *_remembered(folder)]
    return [item for kind in KINDS for item in listed if kind in kinds and item.kind == kind]


def remove(removed: Sequence[Item]) -> None:
    """Remove these files.

    Raises: OSError
    """
    for item in removed:
        if item.kind in _SHELVES.values():
            Shelf(item.path.parent).discard(item.path)
        item.path.unlink(missing_ok=True)


def verify(
    checked: Sequence[Item], progress: Callable[[Item], None], should_stop: Callable[[], bool]
) -> Iterator[Checked]:
    """Read copies and prefixes whole, one after the other; what is not as it was written is thrown away."""
    damaged: set[str | None] = set()  # models whose copies are
    for item in checked:
        if item.kind not in _VERIFIED or should_stop():
            continue
        progress(item)
        if item.kind == "prefixes":
            whole = prefix_files.is_whole(item.path) and item.model not in damaged
        else:
            whole = Shelf(item.path.parent).check(item.path, whole=True) == "whole"
        if not whole:
            remove([item])
            if item.kind == "copies":
                damaged.add(item.model)
        yield Checked(item, "whole" if whole else "damaged")


def _of_shelves(folder: Path) -> Iterator[Item]:
    for name, kind in _SHELVES.items():
        shelf = Shelf(folder / name)
        shelf.tidy()
        for entry in shelf.entries():
            yield _shelved(kind, entry, is_old=name == _PACKS)


def _shelved(kind: Kind, entry: ShelfFile, *, is_old: bool) -> Item:
    model = _text(entry.made_of, "model")
    paths = entry.made_of.get("adapters")
    adapters = tuple(path for path in paths if isinstance(path, str)) if isinstance(paths, list) else ()
    names = [Path(model).name] if model else ["not known: it will be made again"]
    names += [Path(path).parent.name for path in adapters]
    names += ["read by versions before 0.2 only"] * is_old
    return Item(kind, entry.path, entry.file_bytes, entry.used, ", ".join(names), model, adapters)


def _prefixes(folder: Path) -> Iterator[Item]:
    place = folder / PREFIXES
    sweep(place)
    for entry in prefix_files.entries(place):
        name = Path(entry.model).name if entry.model else "not known: it will be made again"
        about = name if entry.tokens is None else f"{name}, {entry.tokens} tokens"
        yield Item("prefixes", entry.path, entry.file_bytes, entry.used, about, entry.model)


def _logs(folder: Path) -> Iterator[Item]:
    for path in sorted([*folder.glob("*.log"), *folder.glob("*.log.*")]):
        yield from _plain("logs", path, "llama.cpp" if path.name.startswith("llama.") else path.stem)


def _remembered(folder: Path) -> Iterator[Item]:
    shelves = {folder / name for name in _SHELVES}
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")]):
        if path.parent not in shelves:
            name = path.stem if path.parent == folder else path.parent.name
            yield from _plain("remembered", path, _REMEMBERED.get(name, name))


def _plain(kind: Kind, path: Path, about: str) -> Iterator[Item]:
    with suppress(OSError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return
        yield Item(kind, path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), about)


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None
