"""Adapters at scales, numbered: slot 0 is the base, so is every adapter at scale 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.schedule import BASE_SLOT
from pluralism_local.errors import Refused
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.adapter_rules import check_fits, invocation_tokens
from pluralism_local.models.gguf_file import read_header
from pluralism_local.types import AdapterRef

_NO_EFFECT = 1e-6
"""An adapter that moves no logit by more than this does nothing."""


@dataclass(slots=True)
class _Slot:
    ref: AdapterRef
    header: GGUFHeader
    is_checked: bool = False


class Slots:
    """Numbers adapters of the model `base` by hash, scale and activation; valid as long as the engine."""

    def __init__(self, base: GGUFHeader) -> None:
        self._base = base
        self._numbers: dict[tuple[str, float, str], int] = {}
        self._slots: list[_Slot | None] = [None]

    def number(self, ref: AdapterRef | None) -> int:
        """The slot of `ref`, a new one the first time.

        Raises:
            NotFound, InvalidInput: its file is missing, no LoRA in GGUF, or one for another base.
        """
        if ref is None or ref.scale == 0:
            return BASE_SLOT
        key = (ref.sha256, ref.scale, ref.activation)
        if key not in self._numbers:
            header = ref.header or read_header(ref.path)
            check_fits(header, self._base)
            self._slots.append(_Slot(ref, header))
            self._numbers[key] = len(self._slots) - 1
        return self._numbers[key]

    def ref(self, slot: int) -> AdapterRef:
        """What was numbered; not for the base."""
        return self._slot(slot).ref

    def header(self, slot: int) -> GGUFHeader:
        """Of the adapter's file, as it was when it was numbered."""
        return self._slot(slot).header

    def invocation(self, slot: int) -> tuple[int, ...]:
        """Tokens that switch the adapter on, as its file says; empty if it does not."""
        return invocation_tokens(self._slot(slot).header)

    def unchecked(self, slots: Iterable[int]) -> list[int]:
        """Those of `slots` whose adapters were not seen to change the model yet, in order."""
        return [slot for slot in sorted(slots) if not self._slot(slot).is_checked]

    def check(self, slot: int, base: npt.NDArray[np.float32], changed: npt.NDArray[np.float32]) -> None:
        """Note that the slot's adapter turns the logits `base` [n_vocab] into `changed` [n_vocab].

        Raises:
            Refused: they are the same.
        """
        entry = self._slot(slot)
        if float(np.abs(changed - base).max()) <= _NO_EFFECT:
            raise Refused(
                f"The adapter {entry.ref.path.name} at scale {entry.ref.scale:g} does not change this model at all.",
                "It was probably never trained, or its weights are zero.",
            )
        entry.is_checked = True

    def _slot(self, slot: int) -> _Slot:
        entry = self._slots[slot]
        if entry is None:
            raise LookupError("the base has no adapter")
        return entry
