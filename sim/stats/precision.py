"""When there are enough replications: the interval of a mean is as narrow as was asked for.

The half-width is to be at most ε / (1 + ε) of the mean, so that the mean is off by at most ε of the *true* one
(A. M. Law and W. D. Kelton, "Confidence intervals for steady-state simulations II", Management Science 28, 1982). It is
looked at after ten replications, and then after as many more as it seems to need, but at most doubled: each look is
another chance to stop by luck, so there are few. Where it is looked at follows from what was found alone, and not from
how many processes there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from sim.stats.estimates import Estimate

LEAST = 10
"""Replications before the first look."""
MOST = 1000
"""Replications, unless said otherwise: then it is told that the precision was not reached."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A relative precision ε, such as 0.05, for the means of some metrics; at most `most` replications."""

    epsilon: float
    metrics: tuple[str, ...]
    most: int = MOST

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1:
            raise ValueError(f"precision {self.epsilon:g}: should be a share between 0 and 1, such as 0.05")
        if self.most < LEAST:
            raise ValueError(f"{self.most} replications at most: valid: {LEAST} or more")

    @property
    def relative_half_width(self) -> float:
        """What the half-width may be, as a share of the mean."""
        return self.epsilon / (1 + self.epsilon)


@dataclass(frozen=True, slots=True)
class Reached:
    """The precision ε that a metric has after all replications; infinite where there is no interval."""

    metric: str
    epsilon: float
    holds: bool


def reached(asked: Asked, metric: str, found: Estimate | None) -> Reached:
    """How precise a mean is: ε such that the half-width is ε / (1 + ε) of it."""
    share = _relative(found)
    epsilon = share / (1 - share) if share < 1 else inf
    return Reached(metric, epsilon, share <= asked.relative_half_width)


def next_look(asked: Asked, count: int, estimates: Sequence[Estimate | None]) -> int | None:
    """How many replications there are to be when it is looked at next; None: that was the last look.

    A half-width shrinks with the square root of their number.
    """
    if count < LEAST:
        return LEAST
    worst = max(_relative(found) for found in estimates)
    if worst <= asked.relative_half_width or count >= asked.most:
        return None
    times = worst / asked.relative_half_width
    needed = count * times * times
    return min(asked.most, 2 * count if needed >= 2 * count else max(count + 1, ceil(needed)))


def _relative(found: Estimate | None) -> float:
    if found is None or found.ci95 is None:
        return inf
    low, high = found.ci95
    half_width = (high - low) / 2
    if half_width == 0:
        return 0.0
    return half_width / abs(found.mean) if found.mean else inf
