"""The families of distributions that are fitted to durations: those of the scenario schema.

Each is fitted by maximum likelihood, with durations that are known exactly, known to be longer (right-censored: an
attempt that still runs) and known as the sum with an idle time (a gap that contains a restart, and then a wait for a
task). Intervals are 95 %. Those of regular families are Wald intervals of the logarithms of the parameters, from the
observed Fisher information; those of uniform and Pareto use the exact distributions of the extremes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, exp, floor, inf, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Numbers = NDArray[np.float64]
Parameters = tuple[float, ...]
Interval = tuple[float, float]
MOST_STAGES = 10_000
Z95 = 1.959963984540054
LOG_ROOT_2PI = 0.9189385332046727
TINY = 1e-300
_EMPTY: Numbers = np.empty(0)


@dataclass(frozen=True)
class Idle:
    """A distribution of idle times as a histogram: its edges, and the share in each cell."""

    edges: Numbers
    shares: Numbers

    @property
    def mean(self) -> float:
        """The mean."""
        return float((self.shares * (self.edges[1:] + self.edges[:-1]) / 2).sum())

    @property
    def density(self) -> Numbers:
        """The density in each cell."""
        return np.asarray(self.shares / np.diff(self.edges))

    def log_density(self, at: Numbers) -> Numbers:
        """The logarithm of the density at some times; that of a very small density beyond the edges."""
        cell = np.searchsorted(self.edges, at, side="right") - 1
        inside = (cell >= 0) & (cell < len(self.shares))
        return np.log(np.where(inside, self.density[np.clip(cell, 0, len(self.shares) - 1)], TINY))


@dataclass(frozen=True)
class Durations:
    """Durations above 0, in seconds. `exact` are sorted; the weights are how many of each there are. `sums` contain
    an idle time in addition, and without it are at least `least`.
    """

    exact: Numbers
    weights: Numbers
    longer: Numbers = field(default_factory=lambda: _EMPTY)
    longer_weights: Numbers = field(default_factory=lambda: _EMPTY)
    sums: Numbers = field(default_factory=lambda: _EMPTY)
    least: Numbers = field(default_factory=lambda: _EMPTY)
    idle: Idle | None = None

    @property
    def count(self) -> float:
        """How many are known exactly."""
        return float(self.weights.sum())

    @cached_property
    def roughly(self) -> tuple[Numbers, Numbers]:
        """The exact ones, and the sums without a mean idle time, ascending, with their weights."""
        if not len(self.sums) or self.idle is None:
            return self.exact, self.weights
        parts = np.maximum(self.sums - self.idle.mean, np.maximum(self.least, 0.1 * self.sums))
        values = np.concatenate([self.exact, parts])
        order = np.argsort(values)
        return values[order], np.concatenate([self.weights, np.ones(len(parts))])[order]

    @cached_property
    def mean(self) -> float:
        """The mean, roughly when there are sums."""
        values, weights = self.roughly
        return float((values * weights).sum() / weights.sum())

    @cached_property
    def sd(self) -> float:
        """The standard deviation, roughly when there are sums."""
        values, weights = self.roughly
        return sqrt(float((weights * (values - self.mean) ** 2).sum() / weights.sum()))

    def log_likelihood(self, of: Any) -> float:
        """The log-likelihood under a distribution with `sf`, `logpdf` and `logsf`."""
        with np.errstate(all="ignore"):
            total = float((self.weights * of.logpdf(self.exact)).sum())
            if len(self.longer):
                total += float((self.longer_weights * of.logsf(self.longer)).sum())
            if len(self.sums) and self.idle is not None:
                least = np.maximum(self.least, 0.0)[:, None]
                at_most = of.sf(np.maximum(self.sums[:, None] - self.idle.edges, least))
                density = np.diff(at_most, axis=1) @ self.idle.density  # of a duration in a cell, and the idle time
                total += float(np.log(np.maximum(density, TINY)).sum())
        return total if np.isfinite(total) else -inf


@dataclass(frozen=True)
class Hyperexponential:
    """Two exponential branches with balanced means, by mean and coefficient of variation, as in scenarios."""

    mean: float
    cv: float

    @property
    def branches(self) -> tuple[tuple[float, float], ...]:
        """The probability and the rate of each branch."""
        square = self.cv * self.cv
        first = (1 + sqrt(max(square - 1, 0.0) / (square + 1))) / 2
        return tuple((share, 2 * share / self.mean) for share in (first, 1 - first) if share > 0)

    def logpdf(self, x: Numbers) -> Numbers:
        """The logarithm of the density."""
        return np.asarray(np.logaddexp.reduce([log(p * rate) - rate * x for p, rate in self.branches]))

    def logsf(self, x: Numbers) -> Numbers:
        """The logarithm of the probability of more."""
        return np.asarray(np.logaddexp.reduce([log(p) - rate * x for p, rate in self.branches]))

    def sf(self, x: Numbers) -> Numbers:
        """The probability of more."""
        return np.exp(self.logsf(x))

    def cdf(self, x: Numbers) -> Numbers:
        """The probability of at most x."""
        return np.asarray(-sum(p * np.expm1(-rate * x) for p, rate in self.branches))

    def pdf(self, x: Numbers) -> Numbers:
        """The density."""
        return np.exp(self.logpdf(x))


@dataclass(frozen=True)
class TruncatedNormal:
    """A normal distribution conditioned on at least 0, as in scenarios. Faster than that of `scipy.stats`."""

    mean: float
    sd: float

    def logpdf(self, x: Numbers) -> Numbers:
        """The logarithm of the density."""
        z = (x - self.mean) / self.sd
        return np.asarray(-z * z / 2 - log(self.sd) - LOG_ROOT_2PI - special.log_ndtr(self.mean / self.sd))

    def logsf(self, x: Numbers) -> Numbers:
        """The logarithm of the probability of more."""
        return np.asarray(special.log_ndtr((self.mean - x) / self.sd) - special.log_ndtr(self.mean / self.sd))

    def sf(self, x: Numbers) -> Numbers:
        """The probability of more."""
        return np.exp(self.logsf(x))

    def cdf(self, x: Numbers) -> Numbers:
        """The probability of at most x."""
        return -np.expm1(self.logsf(np.maximum(x, 0.0)))

    def pdf(self, x: Numbers) -> Numbers:
        """The density."""
        return np.exp(self.logpdf(x))


class Scipy:
    """A distribution of `scipy.stats` with its arguments. A frozen one copies the distribution, which takes a ms."""

    def __init__(self, of: Any, *shape: float, loc: float = 0.0, scale: float = 1.0) -> None:
        self._of = of
        self._with = (*shape, loc, scale)

    def __getattr__(self, name: str) -> Callable[[Numbers], Numbers]:
        method, arguments = getattr(self._of, name), self._with
        return lambda x: method(x, *arguments)


@dataclass(frozen=True)
class Estimate:
    """A fitted family: parameters by the names of the schema, intervals, and the log-likelihood."""

    family: str
    parameters: Mapping[str, float]
    intervals: Mapping[str, Interval]
    log_likelihood: float

    @property
    def aic(self) -> float:
        """Akaike's criterion: twice the number of parameters minus twice the log-likelihood."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood

    @property
    def distribution(self) -> Any:
        """The distribution, with `cdf`, `sf`, `pdf`, `logpdf` and `logsf`."""
        return FAMILIES[self.family].distribution(*self.parameters.values())


@dataclass(frozen=True)
class Family:
    """A family of distributions.

    `names`: of the parameters. `floors`: their lower bounds. `start`: a first guess. `ks95`: the 95 % point of √n times
    the Kolmogorov-Smirnov distance when the parameters were estimated from the same n durations.
    """

    names: tuple[str, ...]
    floors: tuple[float, ...]
    distribution: Callable[..., Any]
    start: Callable[[Durations], Parameters]
    ks95: float


def _lognormal(mean: float, cv: float) -> Any:
    variance = np.log1p(cv * cv)
    return Scipy(stats.lognorm, sqrt(variance), scale=exp(log(mean) - variance / 2))


def _erlang(k: float, mean: float) -> Any:
    return Scipy(stats.gamma, k, scale=mean / k)


def _log_moments(durations: Durations) -> tuple[float, float]:
    values, weights = durations.roughly
    logs = np.log(values)
    mean = float((weights * logs).sum() / weights.sum())
    return mean, sqrt(max(float((weights * (logs - mean) ** 2).sum() / weights.sum()), 1e-12))


def _start_of_lognormal(durations: Durations) -> Parameters:
    mean, sd = _log_moments(durations)
    return exp(min(mean + sd * sd / 2, 600.0)), sqrt(np.expm1(min(sd * sd, 13.0)))


def _start_of_weibull(durations: Durations) -> Parameters:
    mean, sd = _log_moments(durations)
    return exp(mean + 0.5772), 1.2825 / sd


FAMILIES: Mapping[str, Family] = {
    "exponential": Family(
        ("mean",), (0.0,), lambda mean: Scipy(stats.expon, scale=mean), lambda durations: (durations.mean,), 1.094
    ),
    "uniform": Family(
        ("low", "high"),
        (0.0, 0.0),
        lambda low, high: Scipy(stats.uniform, loc=low, scale=high - low),
        lambda _: (0.0, 1.0),
        1.358,
    ),
    "normal": Family(("mean", "sd"), (0.0, 0.0), TruncatedNormal, lambda of: (of.mean, of.sd), 0.895),
    "lognormal": Family(("mean", "cv"), (0.0, 0.0), _lognormal, _start_of_lognormal, 0.895),
    "hyperexponential": Family(
        ("mean", "cv"), (0.0, 1.0), Hyperexponential, lambda of: (of.mean, max(1.1, of.sd / of.mean)), 0.92
    ),
    "weibull": Family(
        ("scale", "shape"),
        (0.0, 0.0),
        lambda scale, shape: Scipy(stats.weibull_min, shape, scale=scale),
        _start_of_weibull,
        0.874,
    ),
    "erlang": Family(("k", "mean"), (0.0, 0.0), _erlang, lambda of: ((of.mean / of.sd) ** 2, of.mean), 0.91),
    "pareto": Family(
        ("minimum", "alpha"),
        (0.0, 0.0),
        lambda minimum, alpha: Scipy(stats.pareto, alpha, scale=minimum),
        lambda _: (1.0, 1.0),
        1.094,
    ),
}
"""The families by their names in the schema, simpler ones first.

`ks95`: Stephens, "EDF statistics for goodness of fit and some comparisons", J. Am. Stat. Assoc. 69 (1974), for the
exponential and the normal; Chandra, Singpurwalla and Stephens, ibid. 76 (1981), for the Weibull. Those of the Erlang
and the hyperexponential, which depend on the shape, are rounded up from simulations.
"""


def fitted(family: str, durations: Durations) -> Estimate | None:
    """The maximum-likelihood estimate of a family; None where it has none."""
    if len(durations.roughly[0]) < 2 or durations.sd <= 0:
        return None
    special = {"uniform": _fitted_uniform, "pareto": _fitted_pareto, "erlang": _fitted_erlang}
    if family in special:
        return special[family](durations)
    return _regular(family, durations)


def _regular(family: str, durations: Durations) -> Estimate | None:
    of = FAMILIES[family]
    floors = np.array(of.floors)

    def negative(theta: Numbers) -> float:
        if (np.abs(theta) > 300).any():
            return inf
        return -durations.log_likelihood(of.distribution(*(floors + np.exp(theta))))

    start = np.log(np.maximum(np.array(of.start(durations)) - floors, 1e-9))
    if not np.isfinite(negative(start)):
        return None
    if family == "exponential" and not len(durations.sums):
        exposure = (durations.exact * durations.weights).sum() + (durations.longer * durations.longer_weights).sum()
        best = np.log(np.array([exposure / durations.count]))
    else:
        found = optimize.minimize(
            negative, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-5, "maxiter": 400}
        )
        best = found.x
    value = negative(best)
    errors = _standard_errors(negative, best)
    parameters = floors + np.exp(best)
    if not np.isfinite(value) or not np.isfinite(parameters).all():
        return None
    ends = [
        (floor_ + exp(max(at - Z95 * error, -700)), floor_ + exp(min(at + Z95 * error, 700)))
        for floor_, at, error in zip(floors.tolist(), best.tolist(), errors, strict=True)
    ]
    return Estimate(
        family, dict(zip(of.names, parameters.tolist(), strict=True)), dict(zip(of.names, ends, strict=True)), -value
    )


def _standard_errors(negative: Callable[[Numbers], float], at: Numbers) -> list[float]:
    """Standard errors from the inverse of the Hessian by central differences; infinite where it is singular."""
    size, step = len(at), 1e-3
    steps = np.eye(size) * step
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = [
                negative(at + a * steps[i] + b * steps[j]) * a * b for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            ]
            hessian[i, j] = hessian[j, i] = sum(corners) / (4 * step * step)
    try:
        variances = np.diag(np.linalg.inv(hessian))
    except np.linalg.LinAlgError:
        return [inf] * size
    return [sqrt(variance) if variance > 0 else inf for variance in variances]


def _fitted_erlang(durations: Durations) -> Estimate | None:
    """The best whole number of stages next to the shape of the best gamma distribution."""
    gamma = _regular("erlang", durations)
    if gamma is None or gamma.parameters["k"] > MOST_STAGES:
        return None
    shape, mean = gamma.parameters["k"], gamma.parameters["mean"]
    best: tuple[float, int, float] | None = None
    for k in sorted({max(1, floor(shape)), max(1, ceil(shape))}):
        at = mean if not len(durations.longer) + len(durations.sums) else _mean_of_erlang(k, mean, durations)
        value = durations.log_likelihood(_erlang(k, at))
        if best is None or value > best[0]:
            best = value, k, at
    if best is None or best[1] == 1:  # an exponential
        return None
    low, high = gamma.intervals["k"]
    near, far = gamma.intervals["mean"]
    ends = {"k": (float(min(best[1], max(1, ceil(low)))), float(max(best[1], floor(min(high, 1e9)))))}
    ends["mean"] = (near * best[2] / mean, far * best[2] / mean)
    return Estimate("erlang", {"k": float(best[1]), "mean": best[2]}, ends, best[0])


def _mean_of_erlang(k: int, near: float, durations: Durations) -> float:
    found = optimize.minimize_scalar(
        lambda theta: -durations.log_likelihood(_erlang(k, exp(theta))),
        bracket=(log(near) - 0.1, log(near) + 0.1),
    )
    return exp(float(found.x))


def _fitted_uniform(durations: Durations) -> Estimate | None:
    """The least and the greatest value. P((high − low)/(greatest − least) > 1/u) = uⁿ for each end, about."""
    longer, n = durations.longer, durations.count
    if len(durations.sums) or (len(longer) and longer.max() >= durations.exact[-1]):
        return None
    low, greatest = float(durations.exact[0]), float(durations.exact[-1])
    high = greatest
    if len(longer) and (longer > low).any():
        found = optimize.minimize_scalar(
            lambda end: -durations.log_likelihood(Scipy(stats.uniform, loc=low, scale=end - low)),
            bounds=(greatest, greatest + (greatest - low)),
            method="bounded",
        )
        high = max(greatest, float(found.x)) if found.fun < -_uniform(durations, low, greatest) else greatest
    beyond = (high - low) * (0.05 ** (-1 / max(n - 1, 1)) - 1)
    ends = {"low": (max(0.0, low - beyond), low), "high": (greatest, high + beyond)}
    return Estimate("uniform", {"low": low, "high": high}, ends, _uniform(durations, low, high))


def _uniform(durations: Durations, low: float, high: float) -> float:
    return durations.log_likelihood(Scipy(stats.uniform, loc=low, scale=high - low))


def _fitted_pareto(durations: Durations) -> Estimate | None:
    """The least value, and the number over the sum of ln(x/minimum); 2·n·α/α̂ is χ² with 2·(n − 1) degrees of
    freedom.
    """
    if len(durations.sums):
        return None
    minimum, n = float(durations.exact[0]), durations.count
    logs = float((durations.weights * np.log(durations.exact / minimum)).sum())
    logs += float((durations.longer_weights * np.log(np.maximum(durations.longer / minimum, 1.0))).sum())
    if logs <= 0 or n < 2:
        return None
    alpha = n / logs
    low, high = (alpha * float(stats.chi2.ppf(p, 2 * (n - 1))) / (2 * n) for p in (0.025, 0.975))
    ends = {"minimum": (minimum * 0.05 ** (1 / (n * alpha)), minimum), "alpha": (low, high)}
    value = durations.log_likelihood(Scipy(stats.pareto, alpha, scale=minimum))
    return Estimate("pareto", {"minimum": minimum, "alpha": alpha}, ends, value)
