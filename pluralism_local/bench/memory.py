"""How much memory this process has held.

    /proc/self/status (Linux), getrusage elsewhere ──peak_rss_mb──> MB | None      forget_peak ──> it begins anew

Linux's getrusage is no measure of one program: a process that becomes another program keeps the peak of what it was,
so that a bench started by a large process would report that process.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_PEAK = "5"
"""What clears the peak there."""


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


def forget_peak() -> bool:
    """Begin a new peak with what is resident now; False where the system has no such thing."""
    try:
        _CLEAR.write_text(_PEAK, "ascii")
    except OSError:
        return False
    return platform.system() == "Linux"


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
