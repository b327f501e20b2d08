"""Estimates over independent replications, and how far they can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from scenarios.fields.metrics import Statistic
from sim.stats.intervals import Interval, Range, is_too_skewed, mean_interval
from sim.stats.samples import Sample
from sim.stats.survival import Pooled

RANGES = {"fraction": Range.SHARE, **dict.fromkeys(("s", "agent-s", "1/s", "ratio"), Range.POSITIVE)}
"""Which values a metric in a unit can have. Every other unit is the noun of what is counted."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What `n` replications say of a metric, in `unit`, with a 95 % confidence interval.

    `ci95` is None when there is none: of one replication, or when an observation is infinite. `cut_off` is the share of
    the observations that the end of the runs cut off; a quantile that lies beyond it is infinite. `restricted_to`: a
    mean in which observations count at most so much (s), because the longest was cut off; None: it is not restricted.
    `skewed`: one replication decides the mean, and there are too few for the interval to be relied on.
    """

    mean: float
    ci95: Interval | None
    n: int
    unit: str
    cut_off: float = 0.0
    skewed: bool = False
    restricted_to: float | None = None


def estimate(values: Sequence[float], unit: str = "") -> Estimate:
    """The mean of one value from each replication, with the interval for what its unit can be (`mean_interval`).

    Raises ValueError without a value, or with one that is not a number.
    """
    return _estimate(values, unit, RANGES.get(unit, Range.COUNT))


def estimate_difference(values: Sequence[float], unit: str = "") -> Estimate:
    """The mean of paired differences, with Student's t-interval. Raises ValueError as `estimate` does."""
    return _estimate(values, unit, Range.REAL)


def _estimate(values: Sequence[float], unit: str, of: Range) -> Estimate:
    if not len(values):
        raise ValueError("an estimate needs at least one observation")
    observed = np.asarray(values, dtype=np.float64)
    if np.isnan(observed).any():
        raise ValueError("an observation is NaN; omit missing observations")
    count, mean = len(observed), float(observed.mean())
    if count == 1 or not isfinite(mean):
        return Estimate(mean, None, count, unit)
    return Estimate(mean, mean_interval(values, of), count, unit, skewed=is_too_skewed(values))


def estimate_pooled(samples: Sequence[Sample], of: Statistic, unit: str = "") -> Estimate | None:
    """A statistic of a distribution.

    Mean, percentiles and the share within a time are of the observations of all replications as one sample (`Pooled`),
    the standard deviation too, without an interval. The maximum is the mean over replications of each one's longest.
    `n` counts the replications with an observation. None for the standard deviation of one observation, which has none.
    Raises ValueError without an observation.
    """
    seen = [sample for sample in samples if len(sample)]
    if not seen:
        raise ValueError("an estimate needs at least one observation")
    pooled = Pooled.of(seen)
    cut_off = pooled.censored / pooled.count
    match of.name:
        case "max":
            longest = estimate([Pooled.of([sample]).maximum for sample in seen], unit)
            return replace(longest, cut_off=cut_off)
        case "sd":
            spread = pooled.deviation
            return None if spread is None else Estimate(spread, None, len(seen), unit, cut_off)
        case "mean":
            mean = pooled.mean()
            skewed = mean.ci95 is not None and is_too_skewed(pooled.pseudo_means)
            return Estimate(mean.value, mean.ci95, len(seen), unit, cut_off, skewed, pooled.restricted_to)
        case "within":
            within = pooled.share_within(of.argument or 0.0)
            return Estimate(within.value, within.ci95, len(seen), unit)
    quantile = pooled.quantile(of.argument or 0.0)
    return Estimate(quantile.value, quantile.ci95, len(seen), unit, cut_off)
