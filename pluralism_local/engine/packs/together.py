"""How several adapters run in one call: which of the ways this model and these requests allow.

    jobs ──Together.packed──> those that a pack takes, the pack being open        (activated adapters)
    jobs ──Together.stack──> the stack of their adapters | None, with the reason  (any adapters, and the base)
                             the caller runs the rest one wave per adapter

All ways give the same texts within rounding: each is tested against adapters on their own. A way that is not there is
no error. An adapter that changes nothing is refused in whichever way it is met first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.lane import SEQUENCES
from pluralism_local.engine.packs.open_pack import OpenPack
from pluralism_local.engine.packs.stacked import Stack, Stacks
from pluralism_local.engine.plan import BASE_SLOT, Job
from pluralism_local.engine.runner import Runner
from pluralism_local.engine.slots import Slots
from pluralism_local.errors import EngineFailure, Refused

Way = Literal["auto", "pack", "stacked", "apart"]

_NO_EFFECT = 1e-6
"""An adapter that moves no logit by more than this does nothing."""

_SAME_BASE = 0.05
"""Largest squared difference over variance of the base's logits alone and in a stack's batch; see `model_safety`."""

Logits = npt.NDArray[np.float32]


class Together:
    """The ways of one model.

    Args:
        runner: of the model itself.
        probe: gives two tokens that show whether an adapter does something; one alone attends to nothing else.
    """

    def __init__(
        self,
        way: Way,
        runner: Runner,
        packs: OpenPack,
        stacks: Stacks,
        slots: Slots,
        probe: Callable[[], tuple[int, ...]],
    ) -> None:
        self._way, self._runner, self.packs, self.stacks = way, runner, packs, stacks
        self._slots, self._probe = slots, probe
        self.reason = ""

    def packed(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs that a pack takes; it is open and its adapters are checked if there are any.

        Raises:
            Refused: an adapter does nothing.
        """
        wanted = [job for job in jobs if job.slot != BASE_SLOT and job.switch > 0]
        slots = {job.slot for job in wanted}
        stands_for = {job.tokens[job.switch] for job in wanted}
        if self._way not in ("auto", "pack") or len(stands_for) != 1:
            return []
        self._runner.stand_back()  # the pack holds the base's weights, too
        opened = self.packs.open({slot: self._slots.ref(slot) for slot in slots}, *stands_for)
        if opened is None:
            return []
        pack, runner = opened
        controls = set(pack.controls.values())
        # a template that writes a control token would switch an adapter by itself
        wanted = [job for job in wanted if controls.isdisjoint(job.tokens)]
        last = self._probe()[-1]
        unchecked = self._unchecked(slots)
        base = runner.probe([*stands_for, last]) if unchecked else np.empty(0, np.float32)
        for slot in unchecked:
            self.check(slot, base, runner.probe([pack.controls[slot], last]))
        return wanted

    def stack(self, jobs: Iterable[Job]) -> Stack | None:
        """The stack that all of the jobs can run on, its adapters checked; None for none, with `reason`.

        Raises:
            Refused: an adapter does nothing.
        """
        slots = {job.slot for job in jobs} - {BASE_SLOT}
        if self._way not in ("auto", "stacked"):
            self.reason = f"{self._way} was asked for"
            return None
        stack = self.stacks.open({slot: self._slots.ref(slot) for slot in slots})
        self.reason = self.stacks.reason
        if stack is None:
            return None
        try:
            for slot, base, changed in self._probed(stack, self._unchecked(slots)):
                self.check(slot, base, changed)
        except EngineFailure as error:
            self._runner.drop_masked()
            self.stacks.refuse(str(error))
            self.reason = self.stacks.reason
            return None
        return stack

    def _probed(self, stack: Stack, slots: Sequence[int]) -> list[tuple[int, Logits, Logits]]:
        """Each slot with the base's logits and its own after the probe, from batches that hold the base, too.

        Raises: EngineFailure: the base is another in such a batch, or the stack cannot be masked.
        """
        probe = self._probe()
        plain = self._runner.probe(probe) if slots else np.empty(0, np.float32)
        found = []
        for begin in range(0, len(slots), SEQUENCES - 1):
            part = slots[begin : begin + SEQUENCES - 1]
            base, *changed = self._runner.probe_slots(probe, (BASE_SLOT, *part), stack.adapter, stack.hook)
            if float(np.square(base - plain).mean()) > _SAME_BASE * float(plain.var()):
                raise EngineFailure("Beside stacked adapters the base is no longer itself.")
            found += [(slot, base, own) for slot, own in zip(part, changed, strict=True)]
        return found

    def _unchecked(self, slots: Iterable[int]) -> list[int]:
        return [slot for slot in sorted(slots) if not self._slots.checked(slot)]

    def check(self, slot: int, base: Logits, changed: Logits) -> None:
        """Note that the adapter of `slot` turns the logits `base` into `changed`.

        Raises:
            Refused: they are the same.
        """
        ref = self._slots.ref(slot)
        if float(np.abs(changed - base).max()) <= _NO_EFFECT:
            raise Refused(
                f"The adapter {ref.path.name} at scale {ref.scale:g} does not change this model at all.",
                "It was probably never trained, or its weights are zero.",
            )
        self._slots.check(slot)

    def close(self) -> None:
        """Free the pack and the stack."""
        self.packs.close()
        self._runner.drop_masked()
        self.stacks.close()
