"""Which points of a sweep are as good as the best one, as far as the replications show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Protocol

from scenarios.fields.metrics import Metric
from sim.experiments.comparison.pooled import SampledRun, pooled_values
from sim.stats.differences import NOT_COMPARED, NOT_SHOWN, Observed, PooledPair, differences


class MeasuredRun(SampledRun, Protocol):
    """What one replication has observed."""

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Its metrics by name; None for those without an observation."""


@dataclass(frozen=True)
class Best:
    """The best point of a metric by its key, and the points that no difference from it is shown of."""

    point: str
    alike: frozenset[str]


def best_point(metric: Metric, means: Mapping[str, float], runs: Mapping[str, Sequence[MeasuredRun]]) -> Best | None:
    """The point with the best mean, and those whose difference from it is not shown (95 %, all at once by Holm).

    Points are compared replication by replication. `means` and `runs` are by the key of the point. None for a metric of
    which no value is better than others, and with a single replication.
    """
    known = {point: mean for point, mean in means.items() if not isnan(mean)}
    if metric.direction is None or not known or len(next(iter(runs.values()), ())) < 2:
        return None
    best = (max if metric.direction == "higher" else min)(known, key=lambda point: known[point])
    others = [point for point in known if point != best]
    found = differences([_observed(metric, point, runs[best], runs[point]) for point in others])
    alike = frozenset(point for point in others if found[point].verdict in {NOT_SHOWN, NOT_COMPARED})
    return Best(best, alike)


def _observed(metric: Metric, point: str, best: Sequence[MeasuredRun], other: Sequence[MeasuredRun]) -> Observed:
    """The values under the best setting and at a point, whose key names the difference."""
    a, b = ([run.metrics.get(metric.name) for run in runs] for runs in (best, other))
    pooled_a, pooled_b = (pooled_values(runs, metric.name) for runs in (best, other))
    pooled = (
        None if pooled_a is None or pooled_b is None else PooledPair(pooled_a[0], pooled_b[0], pooled_a[1], pooled_b[1])
    )
    return Observed(point, metric.unit, metric.direction, a, b, pooled, paired=len(a) == len(b))
