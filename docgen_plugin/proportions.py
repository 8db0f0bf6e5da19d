"""Shares with their intervals, the difference of two, and when that is more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["LEAST", "Share", "is_lower", "newcombe", "wilson"]

LEAST = 30  # decisions on each side before anything is said of a difference
_Z = 1.96  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Share:
    """A number of cases out of all that were looked at."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its Wilson interval at 95 %; everything, 0 to 1, for a share of nothing."""
        return wilson(self.count, self.of)


def wilson(count: int, of: int, z: float = _Z) -> tuple[float, float]:
    """Return the score interval of a proportion (E. B. Wilson, JASA 22, 1927, 209-212).

    >>> [round(bound, 3) for bound in wilson(8, 10)], wilson(0, 0)
    ([0.49, 0.943], (0.0, 1.0))
    """
    if not of:
        return 0.0, 1.0
    share = count / of
    scale = 1 + z * z / of
    middle = (share + z * z / (2 * of)) / scale
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(one: Share, other: Share) -> tuple[float, float]:
    """Return the 95 % interval of one share less another, independent one, -1 to 1; all of that where one is of nothing.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10, from the two Wilson intervals.

    >>> [round(bound, 4) for bound in newcombe(Share(56, 70), Share(48, 80))]
    [0.0524, 0.3339]
    """
    if not one.of or not other.of:
        return -1.0, 1.0
    first, second = one.count / one.of, other.count / other.of
    (low, high), (least, most) = one.interval, other.interval
    down = math.hypot(first - low, most - second)
    up = math.hypot(high - first, second - least)
    return max(-1.0, first - second - down), min(1.0, first - second + up)


def is_lower(now: Share, before: Share) -> bool:
    """Return whether a share fell by the two-proportion z-test with pooled variance at 95 %, two-sided.

    Source: NIST/SEMATECH e-Handbook of Statistical Methods, 7.3.3. Fewer than 30 decisions a side tell nothing.

    >>> is_lower(Share(20, 40), Share(36, 40)), is_lower(Share(34, 40), Share(36, 40)), is_lower(Share(0, 29), Share(9, 9))
    (True, False, False)
    """
    if min(now.of, before.of) < LEAST:
        return False
    pooled = (now.count + before.count) / (now.of + before.of)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / now.of + 1 / before.of))
    return spread > 0 and (before.count / before.of - now.count / now.of) / spread > _Z
