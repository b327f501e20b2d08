"""Differences of two settings, on common random numbers (paired) or on independent ones.

Both settings are run on the same replications, whose streams are keyed by name, so that a task has the same work and an
agent crashes at the same time in both. The common variation cancels in the difference, and far fewer replications are
needed than with independent random numbers (A. M. Law, "Simulation Modeling and Analysis", 5th ed., 11.2). Results of
different seeds have no such pairs: their means are compared as those of independent samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb, inf, isfinite, isinf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from scenarios.fields.metric_rows import Direction
from sim.stats.estimates import Estimate, estimate_difference
from sim.stats.intervals import CONFIDENCE
from sim.stats.samples import Floats

BETTER = "better"
WORSE = "worse"
DIFFERENT = "different"
NOT_SHOWN = "no difference shown"
NOT_COMPARED = "not compared"
LEVEL = 1 - CONFIDENCE
LEAST = 2
"""Pairs that a difference needs."""
PERMUTATIONS = 20_000
EQUAL = 1e-9
"""Relative. Values and differences that differ by less are equal: virtual times are sums of floats."""
EQUAL_PAIRS = 3
"""Pairs with equal differences of a duration that show this difference."""
SECONDS = "s"
"""The unit of durations."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric under two settings, b − a, over the replications that were made under both.

    `p` is the two-sided p-value of no difference: of the paired t-test, of Welch's where replications are not paired,
    or of the rank-sum test where a value is infinite.
    `adjusted_p` is the same among all metrics that are compared at once (Holm). `variance_reduction` is how many times
    as many independent replications would be needed for the same interval: (Var a + Var b) / Var(b − a); None where
    replications are not paired.

    `missing_a` and `missing_b` count the replications without an observation, and `infinite_a` and `infinite_b` those
    that are beyond the horizon or never ended. Where fewer than two replications observed the metric under both, there
    is no difference: `difference`, `p` and `adjusted_p` are None, and so is `a` or `b` when it was never observed.
    """

    metric: str
    unit: str
    direction: Direction
    a: float | None
    b: float | None
    difference: Estimate | None
    p: float | None
    adjusted_p: float | None
    variance_reduction: float | None
    missing_a: int = 0
    missing_b: int = 0
    infinite_a: int = 0
    infinite_b: int = 0

    @property
    def relative(self) -> float | None:
        """The difference as a share of a; None where a is 0, and where it is not finite."""
        if self.difference is None or not self.a or not isfinite(self.a) or not isfinite(self.difference.mean):
            return None
        return self.difference.mean / abs(self.a)

    @property
    def verdict(self) -> str:
        """Of b against a: better, worse, different (no way is better), no difference shown, or not compared."""
        if self.adjusted_p is None or self.difference is None:
            return NOT_COMPARED
        if not self.adjusted_p < LEVEL:
            return NOT_SHOWN
        if self.direction is None:
            return DIFFERENT
        return BETTER if (self.difference.mean > 0) == (self.direction == "higher") else WORSE


@dataclass(frozen=True, slots=True)
class PooledPair:
    """Estimates over all observations under both settings, and the pseudo-value of each replication."""

    a: float
    b: float
    pseudo_a: Floats
    pseudo_b: Floats


@dataclass(frozen=True, slots=True)
class Observed:
    """What the replications observed of a metric, in their order; None: not observed.

    Of a distribution, `a` and `b` are the values of each replication by itself. `pooled`, of all observations, takes
    their place where both estimates are finite. `paired`: the replications of a and b are the same ones, in the same
    order; otherwise they are independent, and their numbers may differ.
    """

    metric: str
    unit: str
    direction: Direction
    a: Sequence[float | None]
    b: Sequence[float | None]
    pooled: PooledPair | None = None
    paired: bool = True


def differences(observed: Sequence[Observed]) -> dict[str, Difference]:
    """Every metric with the difference between the settings, in the order given. None is left out."""
    found = {each.metric: _difference(each) for each in observed}
    adjusted = holm({name: difference.p for name, difference in found.items() if difference.p is not None})
    return {name: replace(difference, adjusted_p=adjusted.get(name)) for name, difference in found.items()}


def _difference(of: Observed) -> Difference:
    counted = Difference(
        of.metric,
        of.unit,
        of.direction,
        _mean(of.a),
        _mean(of.b),
        None,
        None,
        None,
        None,
        *(sum(value is None for value in values) for values in (of.a, of.b)),
        *(sum(value is not None and not isfinite(value) for value in values) for values in (of.a, of.b)),
    )
    a, b = _compared(of)
    if min(len(a), len(b)) < LEAST:
        return counted
    pooled = of.pooled
    of_values = _of_values if of.paired else _of_independent_values
    if pooled is not None and isfinite(pooled.a) and isfinite(pooled.b):
        return of_values(replace(counted, a=pooled.a, b=pooled.b), *_pseudo_values(of, pooled))
    if pooled is not None:
        counted = replace(counted, a=pooled.a, b=pooled.b)
    else:
        counted = replace(counted, a=float(a.mean()), b=float(b.mean()))
    if np.isfinite(a).all() and np.isfinite(b).all():
        return of_values(counted, a, b)
    return _of_ranks(counted, a, b, paired=of.paired)


def _compared(of: Observed) -> tuple[Floats, Floats]:
    """The values that are compared: of paired replications, those that observed the metric under both settings."""
    if not of.paired:
        a, b = ([value for value in values if value is not None] for values in (of.a, of.b))
        return np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    pairs = [(a, b) for a, b in zip(of.a, of.b, strict=True) if a is not None and b is not None]
    both = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _pseudo_values(of: Observed, pooled: PooledPair) -> tuple[Floats, Floats]:
    """The pseudo-values of the replications that observed the metric, as if there were no others.

    The others only add degrees of freedom: of two replications that observed the same value, nothing is known of the
    spread, however many observed none. A pseudo-value of n replications, t + (n - 1) (t - t without one), becomes that
    of the k that observed it, t + (k - 1) (t - t without one). Pairs are left out where neither side observed it.
    """
    seen_a, seen_b = (np.array([value is not None for value in values]) for values in (of.a, of.b))
    if of.paired:
        seen_a = seen_b = seen_a | seen_b
    return _of_those(pooled.a, pooled.pseudo_a, seen_a), _of_those(pooled.b, pooled.pseudo_b, seen_b)


def _of_those(estimate: float, pseudo: Floats, seen: NDArray[np.bool_]) -> Floats:
    if len(pseudo) != len(seen) or seen.all():
        return pseudo
    share = (np.count_nonzero(seen) - 1) / (len(seen) - 1)
    return np.asarray(estimate + share * (pseudo[seen] - estimate))


def _mean(values: Sequence[float | None]) -> float | None:
    seen = [value for value in values if value is not None]
    return float(np.mean(seen)) if seen else None


def _of_values(of: Difference, a: Floats, b: Floats) -> Difference:
    step = b - a
    least = EQUAL * float(max(np.abs(a).max(), np.abs(b).max()))
    if np.ptp(step) <= least:
        step = np.full(len(step), 0.0 if abs(step[0]) <= least else step[0])
    spread, apart = float(step.var(ddof=1)), float(a.var(ddof=1) + b.var(ddof=1))
    return replace(
        of,
        difference=estimate_difference(step.tolist(), of.unit),
        p=_t_test(float(step.mean()), spread, len(step), exact=of.unit == SECONDS),
        variance_reduction=apart / spread if spread > 0 else inf if apart > 0 else None,
    )


def _t_test(mean: float, variance: float, count: int, *, exact: bool) -> float:
    """Two-sided, of Student's t with n − 1 degrees of freedom.

    Where all differences are equal, the interval has no width. Durations (`exact`) do not agree to nine digits by
    chance: from `EQUAL_PAIRS` on, their difference is known, and p is 0. Counts and shares have few values and may
    agree by chance: they, and fewer pairs, are judged by the sign test, 2^(1 − n).
    """
    if variance == 0 and mean != 0 and exact and count >= EQUAL_PAIRS:
        return 0.0
    if variance == 0:
        return 1.0 if mean == 0 else float(2.0 ** (1 - count))
    return 2 * float(stdtr(count - 1, -abs(mean) / sqrt(variance / count)))


def _of_independent_values(of: Difference, a: Floats, b: Floats) -> Difference:
    """B. L. Welch's t-test of two means and its interval ("The generalization of 'Student's' problem when several
    different population variances are involved", Biometrika 34, 1947). `n` is the smaller number of replications.

    Where all values of each side are equal, by the permutation test: 2 / C(n + m, n) at least. Values that differ by
    less than a billionth are equal.
    """
    from scipy import stats  # noqa: PLC0415 - a second to import, and most comparisons are paired

    step, fewer = float(b.mean() - a.mean()), min(len(a), len(b))
    least = EQUAL * float(max(np.abs(a).max(), np.abs(b).max()))
    if np.ptp(a) <= least and np.ptp(b) <= least:
        step = 0.0 if abs(step) <= least else step
        p = 1.0 if step == 0 else min(1.0, 2 / comb(len(a) + len(b), len(a)))
        return replace(of, difference=Estimate(step, (step, step), fewer, of.unit), p=p)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of scipy, where the values of one side are equal
        test = stats.ttest_ind(b, a, equal_var=False)
    bounds = test.confidence_interval(CONFIDENCE)
    found = Estimate(step, (float(bounds.low), float(bounds.high)), fewer, of.unit)
    return replace(of, difference=found, p=float(test.pvalue))


def _of_ranks(of: Difference, a: Floats, b: Floats, *, paired: bool = True) -> Difference:
    """The two-sided rank-sum test (Mann and Whitney 1947), where some values are infinite and have no mean.

    It takes the values as unpaired, which is conservative for common random numbers. It is exact where there are at
    most `PERMUTATIONS` ways to divide the values. The difference is the median one of the pairs, or of every value of b
    with every one of a, where two infinite values differ by nothing.
    """
    from scipy import stats  # noqa: PLC0415 - a second to import, and few comparisons have infinite values

    ways = comb(len(a) + len(b), len(a))
    method: Any = stats.PermutationMethod(n_resamples=ways) if ways <= PERMUTATIONS else "asymptotic"
    same = len(np.unique(np.concatenate([a, b]))) == 1
    p = 1.0 if same else float(stats.mannwhitneyu(b, a, method=method).pvalue)
    before, after = (a, b) if paired else (np.repeat(a, len(b)), np.tile(b, len(a)))
    with np.errstate(invalid="ignore"):
        step = np.sort(np.where(before == after, 0.0, after - before))
    middle = float(step[len(step) // 2]) if len(step) % 2 else _between(step)
    return replace(of, difference=Estimate(middle, None, min(len(a), len(b)), of.unit), p=min(p, 1.0))


def _between(ordered: Floats) -> float:
    """The median of an even number of values, which may be infinite on both sides."""
    low, high = (float(each) for each in ordered[len(ordered) // 2 - 1 : len(ordered) // 2 + 1])
    return 0.0 if isinf(low) and isinf(high) and low != high else (low + high) / 2


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjusted p-values, valid for all hypotheses together: the largest (m − j + 1) · p₍ⱼ₎ up to each in order.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
    """
    ordered = sorted(p_values, key=lambda name: (p_values[name], name))
    adjusted: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
