"""The most memory that this process has held since it started its program."""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["peak_mb"]


def peak_mb() -> float:
    """Return the peak of resident memory, MB of a million bytes.

    NOTE: on Linux ru_maxrss of a child starts at what its parent held when it forked, so that a big parent
    would be measured; VmHWM is the program's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) * 1024 / 1e6
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
