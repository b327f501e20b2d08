"""The best distribution of durations: which family, how near it is to what was logged, and the empirical one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan, sqrt

import numpy as np

from sim.experiments.fitting.families import FAMILIES, Durations, Estimate, Idle, Numbers, fitted

EXACT_POINTS, TAIL = 20_000, 1_000
"""More durations than so many are joined in groups of neighbors, except so many at each end."""
SIMPLER = 5.0
"""A family with fewer parameters is chosen when its AIC is at most so much above the lowest."""
NEAR = 0.04
"""A family is used when its distribution function is nowhere further away than this, or hardly further than chance."""
HARDLY = 1.3
FEW = 8
"""Below so many durations no family is chosen but the exponential or a constant."""
EMPIRICAL, CONSTANT = "empirical", "constant"
MOST_EMPIRICAL = 10_000
CURVE_POINTS = 400
MOST_SUMS = 1_000
EQUAL = 1e-3
NEARLY_ALL = 0.98
_NONE: Numbers = np.empty(0)


@dataclass(frozen=True)
class Candidate:
    """A family that was fitted. `aic`: above the lowest. `distance`: of Kolmogorov and Smirnov, to what was logged."""

    family: str
    parameters: dict[str, float]
    aic: float
    distance: float


@dataclass(frozen=True)
class DurationsFit:
    """The distribution of durations. `parameters` by the names of the schema, each with its 95 % interval.

    `distance` is the largest difference between the distribution function and the logged one (Kaplan-Meier; NaN when
    some durations are known with an idle time), and `critical` what chance alone exceeds in 5 % of logs of this size.
    `curve`: times and the logged distribution function. `values`: what an empirical distribution draws from.
    """

    family: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    distance: float
    critical: float
    count: int
    longer: int
    sums: int
    candidates: tuple[Candidate, ...]
    curve: tuple[tuple[float, ...], tuple[float, ...]]
    values: tuple[float, ...] = field(default=(), repr=False)

    @property
    def is_supported(self) -> bool:
        """Whether the difference is what chance explains."""
        return self.distance <= self.critical

    def written(self) -> str:
        """The distribution as a scenario has it, without the file of an empirical one."""
        if self.family == CONSTANT:
            return f"{{constant: {{value: {rounded(self.parameters['value'])}}}}}"
        parts = ", ".join(f"{name}: {rounded(value)}" for name, value in self.parameters.items())
        return f"{{{self.family}: {{{parts}}}}}"


def rounded(value: float) -> str:
    """A number with six significant digits."""
    return f"{value:.6g}"


def durations_of(
    exact: Numbers,
    longer: Numbers,
    resolution: float,
    sums: Numbers = _NONE,
    least: Numbers = _NONE,
    idle: Idle | None = None,
) -> Durations:
    """Durations as points with weights. Those of 0 count as half the resolution of the log's times."""
    floor = resolution / 2
    points, weights = _points(np.sort(np.maximum(exact, floor)))
    more, more_weights = _points(np.sort(np.maximum(longer, floor)))
    return Durations(points, weights, more, more_weights, np.maximum(sums, floor)[:MOST_SUMS], least[:MOST_SUMS], idle)


def _points(values: Numbers) -> tuple[Numbers, Numbers]:
    """The values and their weights: many values are replaced by the means of neighbors, except at the ends."""
    size = len(values)
    if size <= EXACT_POINTS:
        return values, np.ones(size)
    middle = values[TAIL:-TAIL]
    places = np.linspace(0, len(middle), EXACT_POINTS - 2 * TAIL + 1).astype(np.int64)[:-1]
    sums, weights = np.add.reduceat(middle, places), np.diff(np.append(places, len(middle))).astype(float)
    ends = np.ones(TAIL)
    points = np.concatenate([values[:TAIL], sums / weights, values[-TAIL:]])
    return points, np.concatenate([ends, weights, ends])


def kaplan_meier(durations: Durations) -> tuple[Numbers, Numbers]:
    """Times, ascending, and the estimated probability of at most each (Kaplan and Meier, 1958)."""
    values, weights = durations.roughly
    times, places = np.unique(values, return_inverse=True)
    died = np.bincount(places, weights)
    at_risk = died.sum() - np.concatenate([[0.0], np.cumsum(died)[:-1]])
    if len(durations.longer):
        left = np.concatenate([[0.0], np.cumsum(durations.longer_weights)])
        gone = left[np.searchsorted(durations.longer, times, side="left")]
        at_risk = at_risk + left[-1] - gone
    return times, 1.0 - np.cumprod(1.0 - died / np.maximum(at_risk, died))


def fit_durations(durations: Durations, resolution: float, wanted: str | None = None) -> DurationsFit:
    """The distribution of the lowest AIC, or the empirical one when no family is near. `wanted`: a family by name.

    Raises ValueError when the wanted family cannot be fitted to these durations.
    """
    times, shares = kaplan_meier(durations)
    if (wanted is None and _is_constant(durations, resolution)) or wanted == CONSTANT:
        value = _least(durations) if len(durations.sums) else durations.mean
        return _made(CONSTANT, {"value": value}, {}, durations, (), 0.0, 0.0, times, shares)
    if len(durations.roughly[0]) < 2 or durations.sd <= 0:
        if wanted not in (None, EMPIRICAL):
            raise ValueError("needs two different durations")
        return _made(EMPIRICAL, {}, {}, durations, (), 0.0, 0.0, times, shares)
    found = _estimates(durations, wanted)
    if wanted in FAMILIES and wanted not in found:
        raise ValueError("cannot be fitted to these durations")
    lowest = min((each.aic for each in found.values()), default=0.0)
    distances = {
        name: nan if len(durations.sums) else _distance(each, times, shares, resolution) for name, each in found.items()
    }
    candidates = tuple(
        Candidate(name, dict(each.parameters), each.aic - lowest, distances[name])
        for name, each in sorted(found.items(), key=lambda pair: pair[1].aic)
    )
    near = [name for name in FAMILIES if name in found and found[name].aic - lowest <= SIMPLER]
    simplest = min(near, key=lambda name: (len(found[name].parameters), found[name].aic))
    chosen = wanted if wanted is not None and wanted in FAMILIES else simplest
    best = found[chosen]
    size = durations.count + len(durations.sums) + float(durations.longer_weights.sum())
    critical = FAMILIES[chosen].ks95 / sqrt(size)
    is_near = bool(len(durations.sums)) or distances[chosen] <= max(NEAR, HARDLY * critical)
    if wanted is None and (_constant_is_better(durations, best) or _is_degenerate(durations, best)):
        return _made(CONSTANT, {"value": _least(durations)}, {}, durations, (), 0.0, 0.0, times, shares)
    if wanted == EMPIRICAL or (wanted is None and not is_near):
        return _made(EMPIRICAL, {}, {}, durations, candidates, 0.0, critical, times, shares)
    return _made(
        chosen,
        dict(best.parameters),
        dict(best.intervals),
        durations,
        candidates,
        distances[chosen],
        critical,
        times,
        shares,
    )


def _least(durations: Durations) -> float:
    """The least of the exact ones and the sums: a sum with the least idle time."""
    return float(np.concatenate([durations.exact, durations.sums]).min())


def _is_constant(durations: Durations, resolution: float) -> bool:
    """Whether the exact durations are equal, but for rounding. Few of many say nothing."""
    exact = durations.exact
    if len(durations.sums):
        every = np.concatenate([exact, durations.sums])
        least = _least(durations)
        equal = np.abs(every - least) <= EQUAL * least
        return bool(equal.sum() >= 3 and equal[: len(exact)].all())
    if not len(exact):
        return False
    mean = float(np.average(exact, weights=durations.weights))
    sd = sqrt(float(np.average((exact - mean) ** 2, weights=durations.weights)))
    return bool(exact[-1] - exact[0] <= max(2 * resolution, 1e-9 * mean) or sd < EQUAL * mean)


def _constant_is_better(durations: Durations, best: Estimate) -> bool:
    """Whether the same duration and different idle times explain the sums as well as the best family."""
    if not len(durations.sums) or durations.idle is None:
        return False
    least = _least(durations)
    if (np.abs(durations.exact - least) > EQUAL * least).any() or (durations.least > least).any():
        return False
    constant = float(durations.idle.log_density(durations.sums - least).sum())
    return 2 - 2 * constant <= best.aic + SIMPLER


def _is_degenerate(durations: Durations, best: Estimate) -> bool:
    """Whether the best family has shrunk to the exact durations, which are equal, beside sums."""
    if not len(durations.sums) or not len(durations.exact):
        return False
    low, high = float(durations.exact[0]), float(durations.exact[-1])
    ends = best.distribution.sf(np.array([low * (1 - EQUAL), high * (1 + EQUAL)]))
    return high - low <= EQUAL * low and bool(ends[0] - ends[1] > NEARLY_ALL)


def _estimates(durations: Durations, wanted: str | None) -> Mapping[str, Estimate]:
    few = durations.count + len(durations.sums) < FEW and wanted is None
    names = ["exponential"] if few else [*FAMILIES]
    found = {name: fitted(name, durations) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def _distance(of: Estimate, times: Numbers, shares: Numbers, resolution: float) -> float:
    """The Kolmogorov-Smirnov distance. A rounded duration stands for all that are rounded to it."""
    middle = np.minimum(times + resolution / 2, np.append(times[1:], np.inf))
    values = np.asarray(of.distribution.cdf(middle))
    before = np.concatenate([[0.0], shares[:-1]])
    least = np.asarray(of.distribution.cdf(np.maximum(times - resolution / 2, 0.0)))
    return float(max(np.abs(values - shares).max(), np.abs(least - before).max()))


def _made(
    family: str,
    parameters: dict[str, float],
    intervals: dict[str, tuple[float, float]],
    durations: Durations,
    candidates: tuple[Candidate, ...],
    distance: float,
    critical: float,
    times: Numbers,
    shares: Numbers,
) -> DurationsFit:
    size = len(times)
    from_the_end = size - np.geomspace(1, size, CURVE_POINTS).astype(np.int64)
    places = np.unique(np.concatenate([np.linspace(0, size - 1, CURVE_POINTS).astype(np.int64), from_the_end]))
    return DurationsFit(
        family,
        parameters,
        intervals,
        distance,
        critical,
        round(durations.count),
        round(float(durations.longer_weights.sum())),
        len(durations.sums),
        candidates,
        (tuple(times[places].tolist()), tuple(shares[places].tolist())),
        _quantiles(durations, times, shares) if family == EMPIRICAL else (),
    )


def _quantiles(durations: Durations, times: Numbers, shares: Numbers) -> tuple[float, ...]:
    """The durations, or so many quantiles of the Kaplan-Meier estimate when there are more, or censored ones."""
    size = min(MOST_EMPIRICAL, max(1, round(durations.count)))
    levels = (np.arange(size) + 0.5) / size
    places = np.minimum(np.searchsorted(shares, levels, side="left"), len(times) - 1)
    return tuple(np.round(times[places], 9).tolist())
