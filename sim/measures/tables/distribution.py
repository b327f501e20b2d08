"""Statistics of a sample: mean, sd, p50, p95, p99, max."""

from __future__ import annotations

from math import sqrt

import numpy as np

from sim.measures.tables.event_table import Floats

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
NOTHING: dict[str, float | None] = dict.fromkeys(("mean", "sd", *QUANTILES, "max"))


def describe(name: str, sample: Floats) -> dict[str, float | None]:
    """`name.mean`, `.sd` (n − 1 in the denominator, None for one observation), `.p50`, `.p95`, `.p99` and `.max`.

    NaN is a missing observation. Quantiles interpolate linearly between order statistics (Hyndman & Fan 1996,
    type 7; numpy's default). Without an observation all are None.
    """
    sample = sample[~np.isnan(sample)]
    if not len(sample):
        return _named(name, NOTHING)
    found: dict[str, float | None] = {
        "mean": float(sample.mean()),
        "sd": float(sample.std(ddof=1)) if len(sample) > 1 else None,
        **dict(zip(QUANTILES, map(float, np.quantile(sample, list(QUANTILES.values()))), strict=True)),
        "max": float(sample.max()),
    }
    return _named(name, found)


def describe_censored(name: str, observed: Floats, censored: Floats) -> dict[str, float | None]:
    """The same statistics by Kaplan and Meier (1958), with right-censored observations in `censored`.

    S(t) is the product-limit estimate. A quantile q is the first observed t with S(t) <= 1 − q, None when S stays
    above; the maximum is the quantile 1. Mean and sd are restricted to the longest observation τ, censored or not:
    those of min(T, τ), which are underestimates when the longest observation is censored. Without any complete
    observation all are None; without a censored one this is `describe`.
    """
    if not len(observed):
        return _named(name, NOTHING)
    if not len(censored):
        return describe(name, observed)
    from scipy import stats  # noqa: PLC0415 - imports in a second, and few runs end within a recovery

    survival = stats.ecdf(stats.CensoredData(uncensored=observed, right=censored)).sf
    times, surviving = survival.quantiles, survival.probabilities
    longest = max(float(observed.max()), float(censored.max()))
    mass = -np.diff(surviving, prepend=1.0)
    rest = float(surviving[-1])
    mean = float((mass * times).sum()) + rest * longest
    variance = float((mass * (times - mean) ** 2).sum()) + rest * (longest - mean) ** 2
    count = len(observed) + len(censored)

    def quantile(q: float) -> float | None:
        reached = np.flatnonzero(surviving <= 1 - q + 1e-12)
        return float(times[reached[0]]) if len(reached) else None

    found = {
        "mean": mean,
        "sd": sqrt(variance * count / (count - 1)),
        **{label: quantile(q) for label, q in QUANTILES.items()},
        "max": quantile(1.0),
    }
    return _named(name, found)


def _named(name: str, found: dict[str, float | None]) -> dict[str, float | None]:
    return {f"{name}.{statistic}": value for statistic, value in found.items()}
