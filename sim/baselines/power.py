"""How many replications a gate needs to detect a change of a given size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, isfinite, log2, sqrt

from scipy.special import nctdtr, ndtr, stdtrit

POWER = 0.9
"""Probability with which a change of the size of the tolerance is detected, at least."""
MOST = 10_000
"""More replications are not asked for."""


@dataclass(frozen=True, slots=True)
class Test:
    """A one-sided t-test of a difference, at a level.

    `spread` is the standard deviation of the difference of one pair, or of two independent replications (not `paired`).
    """

    level: float
    spread: float
    paired: bool = True

    def power(self, change: float, count: int) -> float:
        """The probability that so many replications detect a change: that of the noncentral t-distribution."""
        if count < 2 or change <= 0:
            return 0.0
        if self.spread == 0:
            return 1.0 if 2.0**-count < self.level else 0.0
        degrees = count - 1 if self.paired else 2 * (count - 1)
        bound, shift = float(stdtrit(degrees, 1 - self.level)), change * sqrt(count) / self.spread
        if not isfinite(shift) or shift > 30 + 2 * bound:
            return 1.0
        found = 1 - float(nctdtr(degrees, shift, bound))
        return found if isfinite(found) else 1 - float(ndtr(bound - shift))

    def replications(self, change: float) -> int | None:
        """The smallest number of replications with this `POWER` for a change; None: more than `MOST`."""
        if change <= 0:
            return None
        if self.spread == 0:
            return max(2, ceil(-log2(self.level)) + 1)
        return _first(lambda count: self.power(change, count) >= POWER)


def _first(holds: Callable[[int], bool]) -> int | None:
    """The smallest number from 2 to `MOST` of which a monotone condition holds; None: of none."""
    low, high = 1, 2
    while not holds(high):
        if high >= MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
