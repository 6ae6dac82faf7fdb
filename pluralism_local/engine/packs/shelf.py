"""Packs on a `Shelf`: found again by what they are made of, and written where there is none.

    model file + adapters at scales ──> key ──> <folder>/<key>.gguf ──> Pack(path, control token of each slot)

No pack is no error: the reason is kept in `reason`, and the caller does without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.engine.packs.writer import PackAdapter, PackPlan, plan_pack, write_pack
from pluralism_local.engine.shelf import Shelf
from pluralism_local.errors import DamagedWeights, PlocalError
from pluralism_local.gguf_header import GGUFHeader
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
        header: of the file whose weights go into the packs.
        identity: what tells this model file from others; its sha256 where known.
        folder: None keeps no packs.
        model: the file that the user knows, for the notes beside the packs; None for that of `header`.
        is_source_whole: asked before a pack is written from the file of `header`.
    """

    def __init__(
        self,
        header: GGUFHeader,
        identity: str,
        folder: Path | None,
        *,
        model: Path | None = None,
        is_source_whole: Callable[[], bool] = lambda: True,
    ) -> None:
        self._header, self._identity, self._model = header, identity, model or header.path
        self._is_source_whole = is_source_whole
        self._shelf = None if folder is None else Shelf(folder)
        self.reason = ""

    def pack(self, refs: Mapping[int, AdapterRef], stands_for: int) -> Pack | None:
        """The pack of these adapters by slot, written if need be; None where there can be none.

        `stands_for` is the first token of the invocation, in whose place the control tokens come.

        Raises: DamagedWeights: the file that the pack's weights would come from is not what it was.
        """
        if self._shelf is None:
            return None
        order = sorted(refs, key=lambda slot: (refs[slot].sha256, refs[slot].scale))
        adapters = [PackAdapter(refs[slot].path, refs[slot].scale) for slot in order]
        key = self._key([refs[slot] for slot in order], stands_for)
        try:
            plan = plan_pack(self._header, adapters, stands_for)
            if isinstance(plan, str):
                self.reason = plan
                return None
            path = self._shelf.find(key)
            if path is None:
                if self._header.file_bytes > LARGEST_MODEL:
                    self.reason = "the model is too large to write a pack of it unasked"
                    return None
                path = self._write(self._shelf, key, adapters, plan, stands_for)
        except DamagedWeights:
            raise
        except (PlocalError, OSError) as error:
            self.reason = str(error)
            return None
        return Pack(path, dict(zip(order, plan.control_tokens, strict=True)))

    def _write(
        self, shelf: Shelf, key: str, adapters: list[PackAdapter], plan: PackPlan, stands_for: int
    ) -> Path:
        if not self._is_source_whole():
            raise DamagedWeights(
                "What plocal keeps of the model in its cache is damaged.",
                "Clear it with `plocal cache clear`.",
            )
        paths = [str(adapter.path.absolute()) for adapter in adapters]
        made_of = {"model": str(self._model.absolute()), "adapters": paths}
        return shelf.add(
            key, made_of, lambda out: write_pack(out, self._header, adapters, plan, stands_for), KEPT
        )

    def is_damaged(self, pack: Pack) -> bool:
        """Whether a pack is no longer what was written, read from its first byte to its last."""
        return self._shelf is not None and self._shelf.check(pack.path, whole=True) == "damaged"

    def discard(self, pack: Pack) -> None:
        """Throw away a pack that cannot be loaded, or is damaged."""
        if self._shelf is not None:
            self._shelf.discard(pack.path)

    def _key(self, refs: list[AdapterRef], stands_for: int) -> str:
        parts = [str(_FORM), self._identity, str(stands_for)]
        parts += [f"{ref.sha256}:{ref.scale!r}" for ref in refs]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
