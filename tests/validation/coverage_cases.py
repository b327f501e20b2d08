"""Data of known distributions, on which intervals, comparisons and selections are right or wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log, sqrt
from typing import Any
from zlib import crc32

import numpy as np
from scipy import integrate, stats

from scenarios.fields.metrics import statistic_of
from sim.experiments.rare_events.splitting import Splitting, combined
from sim.stats.differences import NOT_SHOWN, Observed, PooledPair, differences
from sim.stats.estimates import Estimate, estimate, estimate_pooled
from sim.stats.intervals import binomial
from sim.stats.precision import LEAST, Asked, next_check
from sim.stats.ranking_and_selection import KimNelson
from sim.stats.samples import Sample, Values
from sim.stats.survival import Pooled

SEED = 20241
BATCH = 50
"""Draws at once, where that is faster."""

Random = np.random.Generator
Floats = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[Random, Any], Floats]
Runs = Callable[[Random, int, int], Iterator[list[Sample]]]
"""So many draws of n runs."""
Outcomes = Callable[[Random, Any, int], Iterator[bool]]


@dataclass(frozen=True)
class Case:
    """What is measured: `outcomes` draws so many data sets of a size, and says of each whether the answer is right."""

    kind: str
    of: str
    outcomes: Outcomes
    sizes: tuple[float, ...] = (2, 5, 10, 20)
    is_heavy: bool = False
    note: str = ""

    @property
    def remark(self) -> str:
        """What the page says of it."""
        return ", ".join(["heavy tail"] * self.is_heavy + [self.note] * bool(self.note))

    def measure(self, size: float, draws: int, seed: int = SEED) -> float:
        """The share of right answers."""
        rng = np.random.default_rng([seed, crc32(f"{self.kind} {self.of}".encode()), round(1000 * size)])
        return sum(self.outcomes(rng, size, draws)) / draws


# ------------------------------------------------------------------------------------------------------ distributions
def lognormal(cv: float) -> Draw:
    """Lognormal values with mean 1."""
    spread = log(1 + cv * cv)
    return lambda rng, shape: rng.lognormal(-spread / 2, sqrt(spread), shape)


def lognormal_quantile(cv: float, share: float) -> float:
    spread = log(1 + cv * cv)
    return exp(-spread / 2 + sqrt(spread) * float(stats.norm.ppf(share)))


def exponential(rng: Random, shape: Any) -> Floats:
    """Exponential values with mean 1."""
    return rng.exponential(1, shape)


def samples(rows: Floats) -> list[Sample]:
    """Runs with one row of observations each; equal ones may stand apart."""
    once, none = np.ones(rows.shape[1], dtype=np.int64), Values(np.empty(0), np.empty(0, dtype=np.int64))
    return [Sample(Values(row, once), none) for row in np.sort(rows, axis=1)]


def fixed(draw: Draw, size: int) -> Runs:
    """Runs with so many independent observations."""
    return lambda rng, runs, draws: (samples(draw(rng, (runs, size))) for _ in range(draws))


def waits(load: float, tasks: int = 120) -> Runs:
    """Waits of a run of M/M/1 in steady state, by D. V. Lindley's recursion. The mean work is 1."""

    def drawn(rng: Random, runs: int, draws: int) -> Iterator[list[Sample]]:
        for begin in range(0, draws, BATCH):
            shape = min(BATCH, draws - begin), runs
            wait = np.where(rng.random(shape) < load, rng.exponential(1 / (1 - load), shape), 0.0)
            seen = np.empty((*shape, tasks))
            for task in range(tasks):
                seen[:, :, task] = wait
                wait = np.maximum(0.0, wait + rng.exponential(1, shape) - rng.exponential(1 / load, shape))
            yield from map(samples, seen)

    return drawn


def wait_quantile(load: float, share: float) -> float:
    """Of P(W > t) = load · exp(−(1 − load) t)."""
    return log(load / (1 - share)) / (1 - load)


def runs_of(draw: Draw, size: int) -> Runs:
    """Runs with a Poisson number of independent observations, at least one."""

    def drawn(rng: Random, runs: int, draws: int) -> Iterator[list[Sample]]:
        for _ in range(draws):
            counts = np.maximum(1, rng.poisson(size, runs))
            yield [samples(run[np.newaxis])[0] for run in np.split(draw(rng, counts.sum()), np.cumsum(counts)[:-1])]

    return drawn


def cut_off(draw: Draw, horizon: float, staggered: bool, size: int = 30) -> Runs:
    """Runs of lifetimes that begin at the start, or at any time before the horizon, which cuts them off."""

    def drawn(rng: Random, runs: int, draws: int) -> Iterator[list[Sample]]:
        for _ in range(draws):
            seconds = draw(rng, (runs, size))
            left = rng.uniform(0, horizon, (runs, size)) if staggered else np.full((runs, size), horizon)
            yield [Sample.of(run[run <= most], most[run > most]) for run, most in zip(seconds, left, strict=True)]

    return drawn


@cache
def longest_lognormal(cv: float, size: int) -> float:
    """The mean of the maximum, by quadrature: ∫ 1 − F(eᵘ)ⁿ eᵘ du."""
    spread = log(1 + cv * cv)

    def beyond(power: float) -> float:
        return float(1 - stats.norm.cdf((power + spread / 2) / sqrt(spread)) ** size) * exp(power)

    return float(integrate.quad(beyond, -30, 15, limit=1000)[0])


def restricted_lognormal(cv: float, horizon: float) -> float:
    """The mean of the shorter of a lognormal value and the horizon."""
    spread = log(1 + cv * cv)
    return float(
        integrate.quad(lambda at: stats.norm.sf((log(at) + spread / 2) / sqrt(spread)), 1e-12, horizon, limit=500)[0]
    )


# ----------------------------------------------------------------------------------------------------------- outcomes
def covers(found: Estimate | None, truth: float) -> bool:
    assert found is not None
    assert found.ci95 is not None
    return found.ci95[0] <= truth <= found.ci95[1]


def values(draw: Draw, truth: float, unit: str = "s") -> Outcomes:
    """One value from each of n replications, and the interval of their mean."""

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        return (covers(estimate(row, unit), truth) for row in draw(rng, (draws, runs)).astype(np.float64))

    return outcomes


def pooled(draw: Runs, statistic: str, truth: float, unit: str = "s") -> Outcomes:
    """A sample from each of n replications, and the interval of a statistic of all."""
    of = statistic_of(f"tasks.{statistic}")
    assert of is not None

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        return (covers(estimate_pooled(each, of, unit), truth) for each in draw(rng, runs, draws))

    return outcomes


def counted(probability: float, each: int) -> Outcomes:
    """n times so many plain replications, each a hit with a probability."""

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        for hits in rng.binomial(runs * each, probability, draws).tolist():
            low, high = binomial(hits, runs * each)
            yield low <= probability <= high

    return outcomes


def splittings(probability: float, particles: int) -> Outcomes:
    """n splittings on an ideal level, where the number of steps is Poisson with the mean −N log p.

    A. Guyader, N. Hengartner and E. Matzner-Løber, "Simulation and estimation of extreme quantiles and extreme
    probabilities", Applied Mathematics and Optimization 64 (2011).
    """

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        for steps in rng.poisson(-particles * log(probability), (draws, runs)):
            found = (1 - 1 / particles) ** steps.astype(np.float64)
            yield covers(combined([Splitting(each, 0, 0, ()) for each in found.tolist()]), probability)

    return outcomes


def precise(draw: Draw, truth: float, unit: str = "s", most: int = 2000) -> Outcomes:
    """Replications until a relative precision is reached; right when the interval that is then shown covers."""

    def outcomes(rng: Random, epsilon: float, draws: int) -> Iterator[bool]:
        asked = Asked(epsilon, ("x",), most)
        for _ in range(draws):
            drawn, count = draw(rng, most).astype(np.float64), LEAST
            while (look := next_check(asked, count, [estimate(drawn[:count], unit)])) is not None:
                count = look
            yield covers(estimate(drawn[:count], unit), truth)

    return outcomes


def no_difference(draw: Draw, metrics: int = 16, alike: float = 0.5, unit: str = "s") -> Outcomes:
    """Settings a and b with the same distribution of so many metrics; right when no metric is said to differ.

    `alike`: the share of replications that are the same under both settings, as on common random numbers.
    """

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        for _ in range(draws):
            a, b = draw(rng, (2, metrics, runs)).astype(np.float64)
            b = np.where(rng.random((metrics, runs)) < alike, a, b)
            of = [
                Observed(str(place), unit, "lower", one.tolist(), two.tolist())
                for place, (one, two) in enumerate(zip(a, b, strict=True))
            ]
            yield all(each.verdict == NOT_SHOWN for each in differences(of).values())

    return outcomes


def no_pooled_difference(draw: Runs, statistics: Sequence[str]) -> Outcomes:
    """Settings with the same distribution of durations; right when no statistic of it is said to differ."""

    def outcomes(rng: Random, runs: int, draws: int) -> Iterator[bool]:
        for samples_of_both in zip(draw(rng, runs, draws), draw(rng, runs, draws), strict=True):
            both = [Pooled.of(each) for each in samples_of_both]
            of = []
            for name in statistics:
                if name == "mean":
                    pair = PooledPair(*(each.mean().value for each in both), *(each.pseudo_means for each in both))
                else:
                    share = float(name[1:]) / 100
                    found = [each.quantile(share).value for each in both]
                    pair = PooledPair(*found, *(each.pseudo_quantiles(share) for each in both))
                of.append(Observed(name, "s", "lower", [1.0] * runs, [1.0] * runs, pair))
            yield all(each.verdict == NOT_SHOWN for each in differences(of).values())

    return outcomes


def selects(noise: Draw, settings: int, shared: float = 0.0) -> Outcomes:
    """Kim and Nelson's procedure where the best is ahead of all others by exactly the indifference, 1.

    The standard deviation of an observation is 2 (3 with `shared`, that of what the settings have in common).
    """

    def outcomes(rng: Random, first: int, draws: int) -> Iterator[bool]:
        for _ in range(draws):
            ranking = KimNelson(settings, 1.0, first=int(first), most=5000)
            while not ranking.finished:
                rows = 2 * noise(rng, (64, settings)) + shared * rng.normal(0, 1, (64, 1))
                rows[:, 1:] += 1
                for row in rows.tolist():
                    ranking.observe(row)
                    if ranking.finished:
                        break
            yield ranking.best == 0

    return outcomes


# -------------------------------------------------------------------------------------------------------------- cases
DISCRETE = "whole numbers"
FEW = "often without an upper bound"


def _poisson(mean: float) -> Draw:
    return lambda rng, shape: rng.poisson(mean, shape)


def _binomial(count: int, share: float) -> Draw:
    return lambda rng, shape: rng.binomial(count, share, shape) / count


CASES = (
    Case("mean", "normal, cv 0.1", values(lambda rng, shape: rng.normal(10, 1, shape), 10.0)),
    Case("mean", "exponential", values(exponential, 1.0)),
    Case("mean", "lognormal, cv 1", values(lognormal(1), 1.0)),
    Case("mean", "lognormal, cv 3", values(lognormal(3), 1.0), is_heavy=True),
    Case("mean", "Weibull, shape 0.5", values(lambda rng, s: rng.weibull(0.5, s) / 2, 1.0), is_heavy=True),
    Case("mean of all tasks", "M/M/1 waits, load 0.5", pooled(waits(0.5), "wait.mean", 1.0)),
    Case("mean of all tasks", "M/M/1 waits, load 0.8", pooled(waits(0.8), "wait.mean", 4.0)),
    Case("mean of all tasks", "lognormal, cv 3", pooled(runs_of(lognormal(3), 30), "wait.mean", 1.0), is_heavy=True),
    Case("share", "1 % of 100", values(_binomial(100, 0.01), 0.01, "fraction"), note=DISCRETE),
    Case("share", "10 % of 50", values(_binomial(50, 0.1), 0.1, "fraction"), note=DISCRETE),
    Case("share", "50 % of 20", values(_binomial(20, 0.5), 0.5, "fraction"), note=DISCRETE),
    Case("share", "beta(0.5, 9.5)", values(lambda r, s: r.beta(0.5, 9.5, s), 0.05, "fraction"), is_heavy=True),
    Case(
        "share within a time", "M/M/1 waits, load 0.5", pooled(waits(0.5), "within(2s)", 1 - 0.5 * exp(-1), "fraction")
    ),
    *(
        Case("count", f"Poisson, {mean:g} a run", values(_poisson(mean), mean, "tasks"), note=DISCRETE)
        for mean in (0.05, 0.2, 1, 5, 20)
    ),
    Case(
        "count",
        "in clusters, 5 a run",
        values(lambda rng, shape: rng.poisson(rng.gamma(0.5, 10, shape)), 5.0, "tasks"),
        is_heavy=True,
    ),
    Case("quantile", "p50 of exponentials", pooled(runs_of(exponential, 30), "wait.p50", log(2))),
    Case("quantile", "p95 of M/M/1 waits, load 0.5", pooled(waits(0.5), "wait.p95", wait_quantile(0.5, 0.95))),
    Case(
        "quantile", "p95 of M/M/1 waits, load 0.8", pooled(waits(0.8), "wait.p95", wait_quantile(0.8, 0.95)), note=FEW
    ),
    Case(
        "quantile",
        "p95 of lognormals, cv 3",
        pooled(runs_of(lognormal(3), 100), "wait.p95", lognormal_quantile(3, 0.95)),
        is_heavy=True,
    ),
    Case(
        "quantile",
        "p99 of lognormals, cv 3",
        pooled(runs_of(lognormal(3), 100), "wait.p99", lognormal_quantile(3, 0.99)),
        is_heavy=True,
        note=FEW,
    ),
    Case(
        "maximum",
        "of 100 exponentials",
        pooled(
            fixed(exponential, 100),
            "wait.max",
            sum(1 / place for place in range(1, 101)),
        ),
    ),
    Case(
        "maximum",
        "of 100 lognormals, cv 3",
        pooled(
            fixed(lognormal(3), 100),
            "wait.max",
            longest_lognormal(3, 100),
        ),
        is_heavy=True,
    ),
    Case(
        "censored mean",
        "exponentials, 37 % cut off",
        pooled(cut_off(exponential, 1, staggered=False), "wait.mean", 1 - exp(-1)),
    ),
    Case(
        "censored mean",
        "exponentials, staggered",
        pooled(cut_off(exponential, 3, staggered=True), "wait.mean", 1 - exp(-3)),
    ),
    Case(
        "censored mean",
        "lognormals, cv 3",
        pooled(cut_off(lognormal(3), 5, staggered=False), "wait.mean", restricted_lognormal(3, 5)),
        is_heavy=True,
    ),
    Case(
        "censored quantile",
        "p50 of exponentials, 37 % cut off",
        pooled(cut_off(exponential, 1, staggered=False), "wait.p50", log(2)),
    ),
    Case(
        "censored quantile",
        "p50 of exponentials, staggered",
        pooled(cut_off(exponential, 3, staggered=True), "wait.p50", log(2)),
    ),
    Case(
        "censored quantile",
        "p80 of lognormals, cv 3, staggered",
        pooled(cut_off(lognormal(3), 5, staggered=True), "wait.p80", lognormal_quantile(3, 0.8)),
        is_heavy=True,
    ),
    Case("rare probability", "0.002, n × 100 plain runs", counted(0.002, 100), note=DISCRETE),
    Case("rare probability", "1e-6, n splittings of 50", splittings(1e-6, 50)),
    Case("rare probability", "1e-9, n splittings of 20", splittings(1e-9, 20), is_heavy=True),
)
PRECISIONS = (0.2, 0.1, 0.05)
SEQUENTIAL = (
    Case("precision", "normal, cv 0.2", precise(lambda rng, shape: rng.normal(5, 1, shape), 5.0), PRECISIONS),
    Case("precision", "exponential", precise(exponential, 1.0), PRECISIONS),
    Case("precision", "Poisson, 1 a run", precise(_poisson(1), 1.0, "tasks"), PRECISIONS),
    Case("precision", "10 % of 50", precise(_binomial(50, 0.1), 0.1, "fraction"), PRECISIONS),
    Case("precision", "lognormal, cv 3", precise(lognormal(3), 1.0), PRECISIONS, is_heavy=True),
)
SIZES = (5, 10, 20)
FAMILIES = (
    Case("compare", "16 metrics, normal", no_difference(lambda rng, s: rng.normal(10, 1, s), alike=0.0), SIZES),
    Case("compare", "16 metrics, lognormal, cv 3", no_difference(lognormal(3)), SIZES, is_heavy=True),
    Case("compare", "p95 of M/M/1 waits, load 0.5", no_pooled_difference(waits(0.5), ["p95"]), SIZES),
    Case(
        "compare",
        "mean, p50 and p95 of lognormals, cv 3",
        no_pooled_difference(runs_of(lognormal(3), 30), ["mean", "p50", "p95"]),
        SIZES,
        is_heavy=True,
    ),
    Case("compare", "16 counts of 0.2 a run", no_difference(_poisson(0.2), alike=0.0, unit="tasks"), SIZES),
)
SELECTIONS = (
    Case("selection", "2 settings, normal", selects(lambda rng, s: rng.normal(0, 1, s), 2), SIZES),
    Case("selection", "5 settings, normal", selects(lambda rng, s: rng.normal(0, 1, s), 5), SIZES),
    Case("selection", "5 settings, normal, shared noise", selects(lambda rng, s: rng.normal(0, 1, s), 5, 3.0), SIZES),
    Case("selection", "5 settings, exponential", selects(lambda rng, s: rng.exponential(1, s) - 1, 5), SIZES),
    Case(
        "selection",
        "5 settings, lognormal, cv 3",
        selects(lambda r, s: (lognormal(3)(r, s) - 1) / 3, 5),
        SIZES,
        is_heavy=True,
    ),
)
