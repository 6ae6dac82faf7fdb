"""Whether this machine is quiet enough to measure on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pluralism_local.engine.pace import OtherWork

AGAIN_SECONDS = 24 * 3600.0
"""From a measurement that said nothing to the next try."""


def _load() -> float:
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What tells how busy this machine is.

    Attributes:
        load: processes that ran or waited over the last minute; 0 where the system does not tell.
        others: makes what tells how many cores other processes use; see `pace.OtherWork`.
        cpus: processors.
        now: seconds since 1970.
    """

    load: Callable[[], float] = _load
    others: Callable[[], Callable[[], float]] = OtherWork
    cpus: int = field(default_factory=lambda: os.cpu_count() or 1)
    now: Callable[[], float] = time.time

    def why_busy(self) -> str:
        """Why nothing can be measured now, as a clause; "" on a quiet machine."""
        load = self.load()
        return f"the machine's load is {load:.1f}" if load > 0.5 + self.cpus / 10 else ""

    def why_disturbed(self, others: float) -> str:
        """Why a measurement beside so many busy cores says nothing, as a clause; "" if it does."""
        return f"other work took {others:.1f} cores" if others > 0.1 + self.cpus / 10 else ""
