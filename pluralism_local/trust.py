"""What others wrote and the user allowed to say more than it may by itself: remembered by content, as direnv does.

    (file, its content) ──allow──> data/trusted.json ──state──> "trusted" | "changed" | "unknown"
    what a run names    ──remember_run, allow_run──> …   ──run_state──> "own" | "trusted" | "unknown"

By itself a folder's file may choose modes, pools and sampling, and be stricter; see `is_guarded`. A file is trusted at
its path and with its very content; a run by what it names (`files.digest`), since folders of runs are moved. Failure
modes: a store that cannot be read trusts nothing, so that everything is asked again; one that cannot be written is
`InvalidInput` where the user asked for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import digest, open_regular, write_atomic
from pluralism_local.locks import only_writer

STORE = "trusted.json"
State = Literal["trusted", "changed", "unknown"]
_Entries = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Trust:
    """The store in a data folder; nothing is read or written before it is asked for."""

    data_dir: Path

    def state(self, file: Path, content: bytes) -> State:
        """Whether the user allowed this content of this file; ``"changed"``: another one of it."""
        digest_here = self._read()["files"].get(_place(file))
        if digest_here is None:
            return "unknown"
        return "trusted" if digest_here == _sha256(content) else "changed"

    def allow(self, file: Path, content: bytes) -> None:
        """Trust this content of this file from now on.

        Raises: InvalidInput: the store cannot be written.
        """
        self._change(lambda entries: entries["files"].update({_place(file): _sha256(content)}))

    def revoke(self, file: Path) -> None:
        """Trust the file no longer, whether it is still there or not.

        Raises: NotFound: it was not trusted. InvalidInput: the store cannot be written.
        """
        if _place(file) not in self._read()["files"]:
            raise NotFound(f"{file} is not trusted.", "plocal config trust --list shows what is.")
        self._change(lambda entries: entries["files"].pop(_place(file), None))

    def files(self) -> dict[Path, State | Literal["gone"]]:
        """Every file that was trusted, and what it is now."""
        states: dict[Path, State | Literal["gone"]] = {}
        for place in sorted(self._read()["files"]):
            try:
                with open_regular(Path(place)) as file:
                    states[Path(place)] = self.state(Path(place), file.read())
            except (NotFound, InvalidInput):
                states[Path(place)] = "gone"
        return states

    def run_state(self, names: Mapping[str, Any]) -> Literal["own", "trusted", "unknown"]:
        """Whether a run that names just this was begun here, or was allowed to."""
        folder = self._read()["runs"].get(_key(names))
        return "unknown" if folder is None else "trusted" if folder else "own"

    def remember_run(self, names: Mapping[str, Any]) -> None:
        """A run that names this is begun here. Where that cannot be written, resuming asks for the names again."""
        if self.run_state(names) == "own":
            return
        with contextlib.suppress(InvalidInput):
            self._change(lambda entries: entries["runs"].update({_key(names): ""}))

    def allow_run(self, names: Mapping[str, Any], folder: Path) -> None:
        """Trust what a run of others names; `folder` is how `runs` tells of it.

        Raises: InvalidInput: the store cannot be written.
        """
        self._change(lambda entries: entries["runs"].setdefault(_key(names), str(folder.absolute())))

    def revoke_run(self, names: Mapping[str, Any], folder: Path) -> None:
        """Trust it no longer.

        Raises: NotFound: it was not trusted. InvalidInput: the store cannot be written.
        """
        if self.run_state(names) == "unknown":
            raise NotFound(f"{folder} is not trusted.", "plocal config trust --list shows what is.")
        self._change(lambda entries: entries["runs"].pop(_key(names), None))

    def runs(self) -> list[Path]:
        """The folders of runs of others that were trusted, where they were then."""
        return [Path(folder) for folder in self._read()["runs"].values() if folder]

    def _read(self) -> _Entries:
        try:
            with open_regular(self.data_dir / STORE) as file:
                record = json.loads(file.read())
        except (NotFound, InvalidInput, OSError, ValueError, RecursionError):
            record = None
        return {kind: _texts(record, kind) for kind in ("files", "runs")}

    def _change(self, change: Callable[[_Entries], object]) -> None:
        file = self.data_dir / STORE
        try:
            with only_writer(file):
                entries = self._read()
                change(entries)
                write_atomic(file, json.dumps(entries, ensure_ascii=False, indent=1) + "\n")
        except OSError as error:
            raise InvalidInput(
                f"{file} cannot be written: {error.strerror or error}.",
                "Set PLOCAL_HOME to a folder that can be, or say it with flags.",
            ) from error


def is_guarded(field: str, value: Any) -> bool:
    """Whether a folder's file may give `field` this value only where the user trusts it.

    That is what chooses a model or a server, runs a command for a key, brings cards and adapters of its own (a folder
    of them, a pool's file), or takes back what the user may have asked for: `offline`, or no `logging`.

    Args:
        field, value: of `config.Settings`, checked.
    """
    if field == "pool":
        return is_pool_file(value)
    if field in ("offline", "logging"):
        return bool(value) is (field == "logging")
    return field in ("model", "aliases", "remote", "community_paths")


def changes(field: str, value: Any, in_force: Mapping[str, Any]) -> bool:
    """Whether the value differs from what is `in_force` (by field); of tables whether any entry does."""
    before = in_force[field]
    if not isinstance(before, Mapping):
        return bool(value != before)
    return any(name not in before or before[name] != _plain(entry) for name, entry in value.items())


def _plain(entry: Any) -> Any:
    return entry if isinstance(entry, str) else entry.model_dump()


def is_pool_file(name: str) -> bool:
    """Whether a pool is named by a path, and not by its id."""
    return os.sep in name or "/" in name or name.endswith((".yaml", ".yml"))


def _key(names: Mapping[str, Any]) -> str:
    return digest(names, escaped=True)


def _place(file: Path) -> str:
    """The file's own path, its folder resolved: a link is not what it leads to, as relative paths in it start here."""
    return str(file.expanduser().parent.resolve() / file.name)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _texts(record: object, kind: str) -> dict[str, str]:
    entries = record.get(kind) if isinstance(record, dict) else None
    if not isinstance(entries, dict):
        return {}
    return {key: value for key, value in entries.items() if isinstance(value, str)}
