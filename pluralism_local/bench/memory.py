"""How much memory this process has held.

    /proc/self/status (Linux), getrusage elsewhere ──peak_rss_mb──> MB | None

Linux's getrusage is no measure of one program: a process that becomes another program keeps the peak of what it was,
so that a bench started by a large process would report that process.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_rss_mb() -> float | None:
    """Largest resident memory of this process so far, in MB (10**6 bytes); None where the system hides it."""
    if platform.system() == "Linux":
        return _high_water_mark()
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _high_water_mark() -> float | None:
    """MB of "VmHWM:  366444 kB"."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024 / 1e6
    return None
