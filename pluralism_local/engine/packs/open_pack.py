"""The pack in memory: opened for a set of adapters, kept while it serves, replaced when another set comes.

    adapters by slot ──PackShelf──> Pack on disk ──> Model ──> Runner

No pack is no error: `open` gives None, and the adapters run one wave each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pluralism_local.engine.counters import Counters
from pluralism_local.engine.handles import Model
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.model_safety import ModelSafety, Setup
from pluralism_local.engine.packs.shelf import Pack, PackShelf
from pluralism_local.engine.plan import token_of
from pluralism_local.engine.runner import Runner, RunnerOptions
from pluralism_local.errors import InvalidInput
from pluralism_local.types import AdapterRef


class OpenPack:
    """At most one pack of `shelf`, run with `options`.

    Attributes:
        loads: packs opened so far.
    """

    def __init__(
        self, shelf: PackShelf, options: RunnerOptions, safety: ModelSafety, *, gpu_layers: int
    ) -> None:
        self._shelf, self._options, self._safety, self._gpu_layers = shelf, options, safety, gpu_layers
        self._open: tuple[Pack, Runner] | None = None
        self._past = Counters()
        self.loads = 0

    def open(self, refs: Mapping[int, AdapterRef], stands_for: int) -> tuple[Pack, Runner] | None:
        """The pack that holds `refs` (by slot) and its runner; None where there can be none.

        A single adapter is not worth a pack of its own, but is served by an open one.

        Raises: DamagedWeights: the file that the pack's weights would come from is not what it was.
        """
        if self._open is not None and refs.keys() <= self._open[0].controls.keys():
            return self._open
        pack = self._shelf.pack(refs, stands_for) if len(refs) > 1 else None
        if pack is None:
            return None
        self.close()
        try:
            # the base in memory has its repacked copy already; a second would stay beside it. A pack only generates,
            # and rounds its own way: flash attention costs it nothing
            asked = Setup(repack=False, flash=True, gpu_layers=self._gpu_layers)
            setup = self._safety.setup(pack.path, pack.path.stem, asked, compare=False)
            model = Model(pack.path, gpu_layers=setup.gpu_layers, repack=False)
        except InvalidInput:
            self._shelf.discard(pack)
            return None
        banned = (*self._options.banned, *pack.controls.values())
        self._open = pack, Runner(model, replace(self._options, banned=banned, flash=setup.flash))
        self.loads += 1
        return self._open

    def discard_damaged(self) -> bool:
        """Close the open pack and throw it away if it is no longer what was written; whether that was so."""
        if self._open is None or not self._shelf.is_damaged(self._open[0]):
            return False
        self._shelf.discard(self._open[0])
        self.close()
        return True

    def current(self) -> tuple[Pack, Runner]:
        """What `open` gave last.

        Raises:
            LookupError: nothing is open (a bug).
        """
        if self._open is None:
            raise LookupError("no pack is open")
        return self._open

    def spelled(self, prompt: Marked, stands_for: int) -> tuple[Marked, tuple[int, ...]] | None:
        """The longest beginning of `prompt` that the pack keeps, and its tokens as a prompt has them."""
        if self._open is None:
            return None
        pack, runner = self._open
        with runner.store.lock:
            known = runner.store.spelled(prompt)
        if known is None:
            return None
        controls = set(pack.controls.values())
        tokens = (token_of(code) for code in known.codes)
        return known.text, tuple(stands_for if token in controls else token for token in tokens)

    def forget(self) -> None:
        """Drop every kept prefix and sequence."""
        if self._open is not None:
            self._open[1].store.clear()

    def add_counts(self, total: Counters) -> None:
        """Add what all packs did so far to `total`."""
        total.add(self._past)
        if self._open is not None:
            self._open[1].add_counts(total)

    def close(self) -> None:
        """Close what is open; its counts stay."""
        if self._open is not None:
            self._open[1].add_counts(self._past)
            self._open[1].close()
            self._open = None
