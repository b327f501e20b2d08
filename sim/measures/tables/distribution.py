"""What is reported of a sample: mean, standard deviation, percentiles and maximum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.fields.metric_rows import STATISTICS
from scenarios.fields.metrics import DISTRIBUTIONS, UnknownMetric, lookup, statistic_of
from sim.stats.estimates import estimate_pooled
from sim.stats.samples import Sample
from sim.stats.survival import Pooled

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
"""The percentiles that are always reported. Others are computed when they are asked for."""
Measured = Mapping[str, float | Sample | None]
"""What a group of metrics measures: numbers by name, and samples by the name that stands before `.mean` or `.p95`."""


def describe(name: str, sample: Sample) -> dict[str, float | None]:
    """`name.mean`, `.sd`, `.p50`, `.p95`, `.p99` and `.max` of one sample; None without an observation.

    A quantile that lies beyond the horizon is infinite, and so is the maximum when the longest observation was cut off.
    Mean and standard deviation are then restricted to the longest observation (`Pooled.mean`).
    """
    if not len(sample):
        return {f"{name}.{statistic}": None for statistic in STATISTICS}
    pooled = Pooled.of([sample])
    found: Mapping[str, float | None] = {
        "mean": pooled.mean().value,
        "sd": pooled.deviation,
        **{label: pooled.quantile(share).value for label, share in QUANTILES.items()},
        "max": pooled.maximum,
    }
    return {f"{name}.{statistic}": value for statistic, value in found.items()}


def numbers(measured: Measured) -> dict[str, float | None]:
    """The metrics that every run has, as numbers: each sample gives the statistics of its distribution.

    Samples of one kind of failure, and that of `tasks.within`, give theirs when they are asked for (`RunMetrics`).
    """
    found: dict[str, float | None] = {}
    for name, each in measured.items():
        if not isinstance(each, Sample):
            found[name] = each
        elif name in DISTRIBUTIONS:
            found |= describe(name, each)
    return found


def absent(name: str) -> str:
    """Why a name gives no metric: it is unknown, with the nearest known one, or nothing of it was observed."""
    try:
        lookup(name)
    except UnknownMetric as error:
        return str(error)
    return f"'{name}' was not observed"


class RunMetrics(dict[str, float | None]):
    """The metrics of one run by name, with those beside them that its samples give.

    Iteration is over the metrics that every run has. Any percentile can be asked for (`tasks.sojourn.p90`), statistics
    of one kind of failure (`recovery.agent_failure.time.p95`), and `tasks.within(60s)`.
    """

    def __init__(self, values: Mapping[str, float | None], samples: Mapping[str, Sample]) -> None:
        super().__init__(values)
        self._samples = samples

    def __missing__(self, name: str) -> float | None:
        of = statistic_of(name)
        sample = None if of is None else self._samples.get(of.distribution)
        if of is None or sample is None:
            raise KeyError(absent(name))
        found = estimate_pooled([sample], of) if len(sample) else None
        return None if found is None else found.mean

    def __contains__(self, name: object) -> bool:
        """Whether a metric has this name, also where it is computed when it is asked for."""
        if super().__contains__(name) or not isinstance(name, str):
            return super().__contains__(name)
        of = statistic_of(name)
        return of is not None and of.distribution in self._samples

    def get(self, name: str, default: Any = None) -> Any:
        """The metric, or the default where nothing has this name."""
        try:
            return self[name]
        except KeyError:
            return default
