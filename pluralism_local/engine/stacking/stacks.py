"""Stacked adapters in memory: one LoRA with the ranks of all, masked per token; for any architecture, without a copy.

    adapters by slot ──lay_out, write_stack──> a temporary file ──> Adapter on the base's own model ──> Stack
    Stack.hook() ──> the mask of one context (see `mask`)

The cells are those of the base's own store, whose codes name every token's adapter. Where no stack can be the adapters
run one wave each; the reason is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.engine import tensors
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.stacking.mask import Mask
from pluralism_local.engine.stacking.stack_file import ScaledAdapter, StackLayout, lay_out, write_stack
from pluralism_local.errors import EngineFailure, PlocalError
from pluralism_local.gguf_header import GGUFHeader

FAMILIES = frozenset({"llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3"})
"""Architectures for which stacked adapters were compared with single ones. Others may compute a LoRA in other ways."""

MOST_ROWS = 128
"""Rows of one decode of a context that a `Mask` serves."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Adapters in one. `blocks` gives the ranks of each slot's."""

    adapter: Adapter
    layout: StackLayout
    blocks: Mapping[int, slice]

    def hook(self) -> Mask:
        """The mask for a context of its own."""
        return Mask(self.blocks, self.layout.rank, len(self.layout.targets), MOST_ROWS)


class Stacks:
    """At most one stack on `model`, whose file has the header `base`.

    Attributes:
        reason: why the last `open` gave None, as a clause; empty if it did not.
        loads: stacks made so far.
    """

    def __init__(self, model: Model, base: GGUFHeader) -> None:
        self._model, self._base = model, base
        self._open: Stack | None = None
        self._refused = ""
        self.reason = ""
        self.loads = 0

    def open(self, adapters: Mapping[int, ScaledAdapter]) -> Stack | None:
        """The stack that holds `adapters` (by slot); None where there can be none.

        What ran with another stack must be closed before.
        """
        if len(adapters) < 2:
            self.reason = "one adapter alone needs no stack"
            return None
        if self._open is not None and adapters.keys() <= self._open.blocks.keys():
            self.reason = ""
            return self._open
        self.close()
        self.reason = self._obstacle()
        if self.reason:
            return None
        order = sorted(adapters)
        stacked = [adapters[slot] for slot in order]
        try:
            layout = lay_out(self._base, stacked)
            if isinstance(layout, str):
                self.reason = layout
                return None
            adapter = self._load(stacked, layout)
        except (PlocalError, OSError) as error:
            self.reason = str(error)
            return None
        self._open = Stack(adapter, layout, dict(zip(order, layout.blocks, strict=True)))
        self.loads += 1
        return self._open

    def _load(self, adapters: Sequence[ScaledAdapter], layout: StackLayout) -> Adapter:
        """Raises: PlocalError, OSError."""
        with tempfile.TemporaryDirectory(prefix="plocal-stack-") as folder:
            file = Path(folder) / "stack.gguf"
            write_stack(file, self._base.text("general.architecture") or "", adapters, layout)
            return Adapter(self._model, file)

    @contextmanager
    def alone(self, adapter: ScaledAdapter) -> Iterator[Callable[[], Adapter]]:
        """What loads one of the adapters of a stack on its own, as often as it is called; freed at the end.

        Raises: EngineFailure, from what is called: it cannot be loaded.
        """
        with ExitStack() as opened:

            def load() -> Adapter:
                layout = lay_out(self._base, [adapter])
                if isinstance(layout, str):
                    raise EngineFailure(f"One of the adapters cannot run alone: {layout}.")
                try:
                    return opened.enter_context(self._load([adapter], layout))
                except (PlocalError, OSError) as error:
                    raise EngineFailure(f"One of the adapters cannot be loaded alone: {error}") from error

            yield load

    def refuse(self, reason: str) -> None:
        """Make no stack any more, since one did not work."""
        self.close()
        self._refused = self.reason = reason

    def close(self) -> None:
        """Free what is open; contexts that use it are closed before."""
        if self._open is not None:
            self._open.adapter.close()
            self._open = None

    def _obstacle(self) -> str:
        """Why this model can have none here."""
        if self._refused:
            return self._refused
        architecture = self._base.text("general.architecture")
        if architecture not in FAMILIES:
            return f"its architecture is {architecture!r}, with which stacked adapters were not tested"
        if not self._model.can_be_cut:
            return "it keeps a running state, whose batches have an order of their own"
        if self._model.on_gpu or not tensors.runs_on_cpu_alone():
            return "other devices than the processor compute here"
        try:
            tensors.ops()
        except EngineFailure as error:
            return str(error)
        return ""
