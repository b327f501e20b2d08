"""Sequential stopping: replications continue until the interval of a mean is as narrow as requested.

The half-width must be at most ε / (1 + ε) of the mean, so that the relative error to the *true* mean is at most ε
(A. M. Law and W. D. Kelton, "Confidence intervals for steady-state simulations II", Management Science 28, 1982). The
first check is after ten replications, the next after the estimated number, at most doubled: each check is a chance to
stop too early, so there are few. Zero width is not precision: equal replications are precise when there are enough of
them, and zeros never are. The checks depend only on the observations, not on the number of processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite

from sim.stats.estimates import Estimate
from sim.stats.intervals import binomial

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
    """The half-width as a fraction of the mean; infinite of a mean of 0 or infinity, of which nothing is a fraction.

    Where n replications are equal, it is the largest probability of another value: 1 − 0.05^(1/n), about 3/n. That they
    are equal does not mean that all would be.
    """
    if found is None or found.ci95 is None or not found.mean or not isfinite(found.mean):
        return inf
    low, high = found.ci95
    return (high - low) / 2 / abs(found.mean) if high > low else binomial(0, found.n)[1]
