"""Where packs are kept: found again by what they are made of, written once, the least recently used thrown away.

    model file + adapters at scales ──> key ──> <folder>/<key>.gguf ──> Pack(path, control token of each slot)

No pack is no error: the reason is kept in `reason`, and the caller does without.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.engine.packs import PackAdapter, plan_pack, write_pack
from pluralism_local.errors import PlocalError
from pluralism_local.gguf_file import GGUFHeader
from pluralism_local.types import AdapterRef

LARGEST_MODEL = 10**9
"""Bytes of a model for which a pack is written without being asked: a second of work, and as much disk."""

KEPT = 3
"""Packs that stay in the folder."""

_FORM = 1
"""Changes when packs are laid out differently, so that old files are not found."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on disk. `controls` gives the token that switches each slot's adapter on."""

    path: Path
    controls: Mapping[int, int]


class PackShelf:
    """Packs of one model.

    Args:
        identity: what tells this model file from others; its sha256 where known.
        folder: None keeps no packs.
    """

    def __init__(self, header: GGUFHeader, identity: str, folder: Path | None) -> None:
        self._header, self._identity, self._folder = header, identity, folder
        self.reason = ""

    def pack(self, refs: Mapping[int, AdapterRef], stands_for: int) -> Pack | None:
        """The pack of these adapters by slot, written if need be; None where there can be none.

        `stands_for` is the first token of the invocation, in whose place the control tokens come.
        """
        if self._folder is None:
            return None
        order = sorted(refs, key=lambda slot: (refs[slot].sha256, refs[slot].scale))
        adapters = [PackAdapter(refs[slot].path, refs[slot].scale) for slot in order]
        path = self._folder / f"{self._key([refs[slot] for slot in order], stands_for)}.gguf"
        try:
            plan = plan_pack(self._header, adapters, stands_for)
            if isinstance(plan, str):
                self.reason = plan
                return None
            if not path.exists():
                if self._header.file_bytes > LARGEST_MODEL:
                    self.reason = "the model is too large to write a pack of it unasked"
                    return None
                self._folder.mkdir(parents=True, exist_ok=True)
                write_pack(path, self._header, adapters, plan, stands_for)
                self._tidy(path)
            os.utime(path)
        except (PlocalError, OSError) as error:
            self.reason = str(error)
            return None
        return Pack(path, dict(zip(order, plan.control_tokens, strict=True)))

    def discard(self, pack: Pack) -> None:
        """Throw away a pack that cannot be loaded."""
        with suppress(OSError):
            pack.path.unlink(missing_ok=True)

    def _key(self, refs: list[AdapterRef], stands_for: int) -> str:
        parts = [str(_FORM), self._identity, str(stands_for)]
        parts += [f"{ref.sha256}:{ref.scale!r}" for ref in refs]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _tidy(self, newest: Path) -> None:
        """Keep the most recently used packs; a pack that another process has open lives on until it is closed."""
        if self._folder is None:
            return
        others = [path for path in self._folder.glob("*.gguf") if path != newest]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[KEPT - 1 :]:
            with suppress(OSError):
                path.unlink()
