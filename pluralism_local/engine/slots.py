"""Adapters at scales, numbered: slot 0 is the base, so is every adapter at scale 0."""

from __future__ import annotations

from dataclasses import dataclass

from pluralism_local.engine.plan import BASE_SLOT
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.adapter_rules import check_fits, invocation_tokens
from pluralism_local.models.gguf_file import read_header
from pluralism_local.types import AdapterRef


@dataclass(slots=True)
class _Slot:
    ref: AdapterRef
    invocation: tuple[int, ...]
    checked: bool = False


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
            header = read_header(ref.path)
            check_fits(header, self._base)
            self._slots.append(_Slot(ref, invocation_tokens(header)))
            self._numbers[key] = len(self._slots) - 1
        return self._numbers[key]

    def ref(self, slot: int) -> AdapterRef:
        """What was numbered; not for the base."""
        return self._slot(slot).ref

    def invocation(self, slot: int) -> tuple[int, ...]:
        """Tokens that switch the adapter on, as its file says; empty if it does not."""
        return self._slot(slot).invocation

    def checked(self, slot: int) -> bool:
        """Whether the adapter was seen to change the model."""
        return self._slot(slot).checked

    def check(self, slot: int) -> None:
        """Note that it was."""
        self._slot(slot).checked = True

    def _slot(self, slot: int) -> _Slot:
        found = self._slots[slot]
        if found is None:
            raise LookupError("the base has no adapter")
        return found
