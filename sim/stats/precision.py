"""Sequential stopping: replications continue until the interval of a mean is as narrow as requested.

The half-width must be at most ε / (1 + ε) of the mean, so that the relative error to the *true* mean is at most ε
(A. M. Law and W. D. Kelton, "Confidence intervals for steady-state simulations II", Management Science 28, 1982). The
first check is after ten replications, the next after the estimated number, at most doubled: each check is a chance to
stop too early, so there are few. The checks depend only on the observations, not on the number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf

from sim.stats.estimates import Estimate

LEAST = 10
"""Replications before the first check."""
MOST = 1000
"""Default maximum number of replications; when it is reached, the result reports the missed precision."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A relative precision ε, such as 0.05, for the means of some metrics; at most `most` replications."""

    epsilon: float
    metrics: tuple[str, ...]
    most: int = MOST

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1:
            raise ValueError(f"precision {self.epsilon:g}: must be between 0 and 1, such as 0.05")
        if self.most < LEAST:
            raise ValueError(f"{self.most} replications at most; valid: {LEAST} or more")

    @property
    def relative_half_width(self) -> float:
        """The maximum half-width as a fraction of the mean."""
        return self.epsilon / (1 + self.epsilon)


@dataclass(frozen=True, slots=True)
class Reached:
    """The precision ε of a metric after all replications; infinite without an interval."""

    metric: str
    epsilon: float
    holds: bool


def reached(asked: Asked, metric: str, found: Estimate | None) -> Reached:
    """The precision of a mean: ε such that the half-width is ε / (1 + ε) of it."""
    share = _relative(found)
    epsilon = share / (1 - share) if share < 1 else inf
    return Reached(metric, epsilon, share <= asked.relative_half_width)


def next_check(asked: Asked, count: int, estimates: Sequence[Estimate | None]) -> int | None:
    """The number of replications at the next check; None after the last check.

    A half-width decreases with the square root of the number of replications.
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
