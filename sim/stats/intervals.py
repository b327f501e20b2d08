"""95 % confidence intervals of a mean over independent replications, inside the range that the quantity can have.

Runs of a recovery bench are skewed: most are calm, and a few are long outages. Student's t-interval of five or ten such
runs misses the mean on one side, and its lower bound may be negative. Each interval here is therefore the union of
intervals that are each right under weaker conditions; `tests/validation` has the measured coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import cbrt, exp, sqrt

import numpy as np
from scipy.special import betaincinv, gammaincinv, stdtrit

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
SPARSE = 20
"""Fewer events than this over all replications: the exact Poisson interval of their number is part of the interval."""
FEWEST = 5
"""Values that a skewness can be estimated from."""
FARTHEST = 4
"""Half-widths of the t-interval that an upper bound lies above the mean, at most."""
SKEWED = 0.6
"""Share of the largest skewness that n values can have. Above it, one replication decides the mean."""

Interval = tuple[float, float]


class Range(StrEnum):
    """Which values a quantity can have."""

    COUNT = "count"  # 0, 1, 2 …
    SHARE = "share"  # 0 to 1
    POSITIVE = "positive"  # 0 or more
    REAL = "real"  # any number: a difference


def mean_interval(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], of: Range) -> Interval:
    """The interval of the mean of two or more finite values.

    - `REAL`: Student's t-interval.
    - `POSITIVE`: the union of the t-interval and its image under the logarithm (delta method: m · exp(± t·s/(m√n))); of
      five or more values also Hall's skewness-adjusted interval and D. R. Cox's upper bound for a lognormal mean. Its
      lower bound is above 0.
    - `SHARE`: the same of x, or of 1 − x where this is smaller in the mean, cut at 0 and 1. Where all values are equal,
      other values have a probability of at most 1 − 0.05^(1/n) (exact binomial bound), and may be anything from 0 to 1.
    - `COUNT`: as `POSITIVE`; where there are few events in all, or the same number in each replication, also the exact
      Poisson interval of their number. (Averages of counts, such as attempts per task, are not whole numbers.)

    An interval of a count or a share never has zero width. Raises ValueError for fewer than two values, or for values
    outside of the range.
    """
    observed = np.asarray(values, dtype=np.float64)
    if len(observed) < 2 or not np.isfinite(observed).all():
        raise ValueError("an interval needs two or more finite values")
    if of is not Range.REAL and (observed.min() < 0 or (of is Range.SHARE and observed.max() > 1)):
        raise ValueError(f"a value is outside of the range of a {of}")
    if of is Range.REAL:
        return student(observed)
    if of is Range.SHARE:
        return _share(observed)
    found = positive_interval(observed)
    is_sparse = observed.sum() < SPARSE and bool((observed == np.floor(observed)).all())
    if of is Range.COUNT and (is_sparse or np.ptp(observed) == 0):
        low, high = poisson(float(observed.sum()))
        found = min(found[0], low / len(observed)), max(found[1], high / len(observed))
    return found


def student(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    """mean ± t(n − 1, 0.975) · s / √n (Student 1908), with n − 1 in the denominator of s²."""
    mean, step = float(observed.mean()), _step(observed)
    return mean - step, mean + step


def _step(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    count = len(observed)
    return float(stdtrit(count - 1, 1 - TAIL)) * float(observed.std(ddof=1)) / sqrt(count)


def positive_interval(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    """The interval of a mean that cannot be negative; single values may be, as pseudo-values of the mean are."""
    mean, step = float(observed.mean()), _step(observed)
    if step == 0 or mean <= 0:
        return max(0.0, mean - step), mean + step
    relative = step / mean
    low = mean - step if relative < 1 else mean * exp(-relative)
    high = mean * exp(min(relative, 700.0))
    if len(observed) < FEWEST:
        return low, min(high, mean + FARTHEST * step)
    high = min(max(high, _cox(observed)), mean + FARTHEST * step)
    skewed_low, skewed_high = _hall(observed)
    return (min(low, skewed_low) if skewed_low > 0 else low), max(high, skewed_high)


def probability_interval(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    """The interval of the mean of independent estimates of a rare probability, one of which is above 0.

    What varies is the order of magnitude: the lower bound is m · exp(−t·s/(m√n)), and the upper bound that of
    `positive_interval`, at most 1.
    """
    mean, step = float(observed.mean()), _step(observed)
    return mean * exp(-step / mean), min(1.0, positive_interval(observed)[1])


def _share(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    if np.ptp(observed) == 0:
        share, others = float(observed[0]), binomial(0, len(observed))[1]
        return share * (1 - others), share * (1 - others) + others
    if float(observed.mean()) <= 0.5:
        low, high = positive_interval(observed)
    else:
        above, below = positive_interval(1 - observed)
        low, high = 1 - below, 1 - above
    return max(0.0, low), min(1.0, high)


def _cox(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The upper bound of the mean of a lognormal distribution, 0 for values that are not from one.

    exp(ȳ + v/2 + t · √(v/n + v²/(2(n − 1)))), with mean ȳ and variance v of the logarithms: D. R. Cox's, in C. E. Land,
    "An evaluation of approximate confidence interval estimation methods for lognormal means", Technometrics 14 (1972).
    Logarithms that are skewed to the left by more than a standard error, √(6/n), are not from a normal distribution.
    """
    if observed.min() <= 0:
        return 0.0
    logs, count = np.log(observed), len(observed)
    if skewness(logs) < -sqrt(6 / count):
        return 0.0
    spread = float(logs.var(ddof=1))
    error = float(stdtrit(count - 1, 1 - TAIL)) * sqrt(spread / count + spread**2 / (2 * (count - 1)))
    return exp(min(float(logs.mean()) + spread / 2 + error, 700.0))


def _hall(observed: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Interval:
    """The interval by the inverse of a monotone cubic that removes the skewness from Student's ratio.

    P. Hall, "On the removal of skewness by transformation", Journal of the Royal Statistical Society B 54 (1992).
    """
    count, mean, bend = len(observed), float(observed.mean()), skewness(observed)
    scale = float(observed.std(ddof=1)) / sqrt(count)
    quantile = float(stdtrit(count - 1, 1 - TAIL))

    def unskewed(ratio: float) -> float:
        if abs(bend) < 1e-9:
            return ratio
        return sqrt(count) * 3 / bend * (cbrt(1 + bend * (ratio / sqrt(count) - bend / (6 * count))) - 1)

    return mean - unskewed(quantile) * scale, mean - unskewed(-quantile) * scale


def skewness(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The third standardized moment of a sample, at most (n − 2) / √(n − 1); 0 where values differ only by rounding."""
    observed = np.asarray(values, dtype=np.float64)
    apart = observed - observed.mean()
    spread = float(np.mean(apart**2))
    rounding = 1e-9 * float(np.abs(observed).max(initial=0.0))
    return float(np.mean(apart**3)) / spread**1.5 if spread > rounding**2 else 0.0


def is_too_skewed(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    """Whether one replication decides the mean: more are needed before the interval can be relied on."""
    count = len(values)
    return count >= FEWEST and abs(skewness(values)) > SKEWED * (count - 2) / sqrt(count - 1)


def poisson(events: float) -> Interval:
    """The exact interval of the mean of a Poisson number, after so many events (F. Garwood, Biometrika 28, 1936).

    Without an event there is one bound to find, which has all of the 5 %: about 3.
    """
    if events == 0:
        return 0.0, float(gammaincinv(1, CONFIDENCE))
    return float(gammaincinv(events, TAIL)), float(gammaincinv(events + 1, 1 - TAIL))


def binomial(hits: int, count: int) -> Interval:
    """The exact interval of a probability after so many hits in so many independent trials.

    C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934). Where all trials went one way there is one bound to find, which has all of the 5 %: without a
    hit, 1 − 0.05^(1/n), which is about 3/n. Raises ValueError for no trial, or more hits than trials.
    """
    if not 0 <= hits <= count or count < 1:
        raise ValueError(f"{hits} hits in {count} trials; valid: 1 trial or more, and no more hits than those")
    if hits == 0:
        return 0.0, 1 - (1 - CONFIDENCE) ** (1 / count)
    if hits == count:
        return (1 - CONFIDENCE) ** (1 / count), 1.0
    return (
        float(betaincinv(hits, count - hits + 1, TAIL)),
        float(betaincinv(hits + 1, count - hits, 1 - TAIL)),
    )
