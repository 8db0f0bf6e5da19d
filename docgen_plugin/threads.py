"""How many threads this process may keep busy."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["default_threads"]

_MOST_THREADS = 8


def default_threads() -> int:
    """Return the physical cores that this process may use, by affinity and cgroup quota, at most 8.

    llama.cpp's threads spin between operations, so one more than there are free cores costs more than it gives.
    """
    if not hasattr(os, "sched_getaffinity"):
        return max(1, min(_MOST_THREADS, (os.cpu_count() or 2) // 2))
    usable = os.sched_getaffinity(0)
    cores = {_core(cpu) for cpu in usable}
    return max(1, min(_MOST_THREADS, len(cores), _quota() or len(cores)))


def _core(cpu: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _quota() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup/cpu")
        quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_us = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return max(1, quota_us // period_us) if quota_us > 0 else None
    return None
