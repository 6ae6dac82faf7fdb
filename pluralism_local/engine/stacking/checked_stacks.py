"""Which requests run on a stack: their adapters were seen to act on it, and it is not slower than running them apart.

    adapter slots ──CheckedStacks.stack──> Stack | None, with the reason: the caller runs the requests apart

Both ways give the same texts within rounding: tested against adapters on their own. An adapter that changes nothing is
refused in whichever way it is met first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pluralism_local.engine.lane import SEQUENCES
from pluralism_local.engine.planner import AdapterPlans, ContextSteps, Worn
from pluralism_local.engine.runner import Runner
from pluralism_local.engine.schedule import BASE_SLOT
from pluralism_local.engine.slots import Slots
from pluralism_local.engine.stacking.stack_file import ScaledAdapter
from pluralism_local.engine.stacking.stacks import Stack, Stacks
from pluralism_local.errors import EngineFailure
from pluralism_local.gguf_header import GGUFHeader

_SAME_BASE = 0.05
"""Largest squared difference over variance of the base's logits alone and in a stack's batch; see `model_safety`."""

Logits = npt.NDArray[np.float32]


class CheckedStacks:
    """Stacks on the runner's model.

    Args:
        base: header of the model's file.
        plans: decides between stacked and apart; None where stacked was asked for.
        probe: gives two tokens that show whether an adapter does something; one alone attends to nothing else.

    Attributes:
        reason: why the last `stack` gave None, as a clause; empty if it did not.
    """

    def __init__(
        self,
        runner: Runner,
        base: GGUFHeader,
        slots: Slots,
        plans: AdapterPlans | None,
        probe: Callable[[], tuple[int, ...]],
    ) -> None:
        self._runner, self._slots, self._plans, self._probe = runner, slots, plans, probe
        self._stacks = Stacks(runner.model, base)
        self.reason = ""

    @property
    def loads(self) -> int:
        """Stacks made so far."""
        return self._stacks.loads

    def stack(self, slots: Collection[int]) -> Stack | None:
        """The stack that all of these adapters can run on, checked; None for none, with `reason`.

        Raises:
            Refused: an adapter does nothing.
            Cancelled: stopped while it was measured.
        """
        adapters = {
            slot: ScaledAdapter(self._slots.header(slot), self._slots.ref(slot).scale) for slot in slots
        }
        self._runner.drop_masked()  # lanes of a probe after which nothing ran: their masks are of another stack
        stack = self._stacks.open(adapters)
        self.reason = self._stacks.reason
        if stack is None:
            return None
        try:
            for slot, base, changed in self._probed(stack, self._slots.unchecked(slots)):
                self._slots.check(slot, base, changed)
            self.reason = self._why_apart(stack, adapters)
        except EngineFailure as error:
            self._runner.drop_masked()
            self._stacks.refuse(str(error))
            self.reason = self._stacks.reason
        return None if self.reason else stack

    def _why_apart(self, stack: Stack, adapters: dict[int, ScaledAdapter]) -> str:
        """Why they run apart all the same, as a clause; empty if the stack is not slower, or nothing is measured."""
        if self._plans is None:
            return ""
        model, slots = self._runner.model, sorted(adapters)

        def stacked() -> ContextSteps:
            return ContextSteps(model, Worn(stack.adapter, slots, stack.hook))

        with self._stacks.alone(adapters[slots[0]]) as open_single:
            comparison = self._plans.comparison(
                len(slots),
                stack.layout.rank,
                stacked,
                lambda: ContextSteps(model, Worn(open_single(), slots[:1])),
            )
        return comparison.why_apart if comparison else ""

    def _probed(self, stack: Stack, slots: Sequence[int]) -> Iterator[tuple[int, Logits, Logits]]:
        """Each slot with the base's logits and its own after the probe, from batches that hold the base, too.

        Raises: EngineFailure: the base is another in such a batch, or the stack cannot be masked.
        """
        probe = self._probe()
        plain = self._runner.probe(probe) if slots else np.empty(0, np.float32)
        for begin in range(0, len(slots), SEQUENCES - 1):
            part = slots[begin : begin + SEQUENCES - 1]
            base, *changed = self._runner.probe_slots(probe, (BASE_SLOT, *part), stack.adapter, stack.hook)
            if float(np.square(base - plain).mean()) > _SAME_BASE * float(plain.var()):
                raise EngineFailure("Beside stacked adapters the base is no longer itself.")
            yield from ((slot, base, own) for slot, own in zip(part, changed, strict=True))

    def close(self) -> None:
        """Free the stack, and the lanes that use it."""
        self._runner.drop_masked()
        self._stacks.close()
