"""Means over independent replications, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from scipy.special import betaincinv, stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` replications and its 95 % confidence interval, in `unit`.

    `ci95` is None for one replication, or when an observation is infinite.
    """

    mean: float
    ci95: tuple[float, float] | None
    n: int
    unit: str


def estimate(values: Sequence[float], unit: str = "") -> Estimate:
    """The mean of independent observations x₁ … xₙ with the t-interval mean ± t(n − 1, 0.975) · s / √n (Student
    1908).

    s is the standard deviation with n − 1 in the denominator. Raises ValueError without an observation, or for NaN.
    """
    if not len(values):
        raise ValueError("an estimate needs at least one observation")
    observed = np.asarray(values, dtype=np.float64)
    if np.isnan(observed).any():
        raise ValueError("an observation is NaN; omit missing observations")
    count, mean = len(observed), float(observed.mean())
    if count == 1 or not isfinite(mean):
        return Estimate(mean, None, count, unit)
    half_width = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2)) * float(observed.std(ddof=1)) / sqrt(count)
    return Estimate(mean, (mean - half_width, mean + half_width), count, unit)


def proportion(hits: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of a probability after so many hits in so many independent trials.

    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934). When all trials have one outcome the interval is one-sided with all of the 5 %: without a hit,
    1 − 0.05^(1/n), which is about 3/n. Raises ValueError without a trial, or for more hits than trials.
    """
    if not 0 <= hits <= count or count < 1:
        raise ValueError(f"{hits} hits in {count} trials; valid: at least 1 trial, and at most as many hits as trials")
    tail = 1 - CONFIDENCE
    if hits == 0:
        return 0.0, 1 - tail ** (1 / count)
    if hits == count:
        return tail ** (1 / count), 1.0
    return (
        float(betaincinv(hits, count - hits + 1, tail / 2)),
        float(betaincinv(hits + 1, count - hits, 1 - tail / 2)),
    )
