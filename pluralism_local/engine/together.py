"""How several adapters run in one call: stacked in one batch where `stacking` is there and can, else apart.

    open_together ──> Together ──stack──> AdapterStack | None, with the reason: the caller runs a wave per adapter

This is the only file that knows the folder `stacking`. Without it everything runs, each adapter apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, Protocol

from pluralism_local.engine.handles import Adapter
from pluralism_local.engine.planner import AdapterPlans
from pluralism_local.engine.runner import Runner
from pluralism_local.engine.schedule import RowHook
from pluralism_local.engine.slots import Slots
from pluralism_local.gguf_header import GGUFHeader

AdapterBatching = Literal["auto", "stacked", "apart"]
"""What several adapters run as. "stacked" and "auto" run them apart where there can be no stack, "auto" also where
that was measured to be faster (see `planner.adapters`)."""


class AdapterStack(Protocol):
    """Several adapters as one, which contexts tell apart by a hook."""

    @property
    def adapter(self) -> Adapter:
        """All of them."""

    def hook(self) -> RowHook:
        """What a context of its own tells the rows' adapters apart by."""


class Together(Protocol):
    """Makes stacks.

    Attributes:
        reason: why the last `stack` gave None, as a clause; empty if it did not.
    """

    reason: str

    @property
    def loads(self) -> int:
        """Stacks made so far."""

    def stack(self, slots: Collection[int]) -> AdapterStack | None:
        """The stack that all of these adapters can run on, each seen to act; None for none, with `reason`.

        Raises:
            Refused: an adapter does nothing.
            Cancelled: stopped while it was measured.
        """

    def close(self) -> None:
        """Free what is open, and the lanes that use it."""


class Apart:
    """Makes none, for one reason."""

    loads = 0

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def stack(self, slots: Collection[int]) -> None:
        """None."""

    def close(self) -> None:
        """Nothing is open."""


def open_together(
    way: AdapterBatching,
    runner: Runner,
    base: GGUFHeader,
    slots: Slots,
    plans: AdapterPlans,
    probe: Callable[[], tuple[int, ...]],
) -> Together:
    """What makes stacks on the runner's model; `base` is the header of its file.

    `probe` gives two tokens that show whether an adapter does something; one alone attends to nothing else.
    """
    if way == "apart":
        return Apart("apart was asked for")
    try:
        from pluralism_local.engine.stacking.checked_stacks import CheckedStacks
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("pluralism_local.engine.stacking"):
            raise
        return Apart("this installation is without engine.stacking")
    return CheckedStacks(runner, base, slots, plans if way == "auto" else None, probe)
