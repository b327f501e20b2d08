"""Judges a result against its baseline: PASS, REGRESSION or INCONCLUSIVE for each metric.

A metric is a REGRESSION when it is shown to be worse, and is worse by more than its tolerance. It is INCONCLUSIVE when
the replications are too few for its tolerance, and otherwise a PASS. Equal values are a PASS without statistics.

Shown: by one-sided t-tests of the paired differences, of Welch for other seeds, or by the rank-sum test where values
are infinite. They hold for all metrics of all scenarios of a baseline at once: each scenario has an equal part of
`LEVEL` (Bonferroni), which Holm's procedure divides among its metrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite, sqrt

import numpy as np
from scipy.special import stdtrit

from scenarios.fields.metric_rows import Direction
from scenarios.fields.metrics import lookup
from scenarios.fields.tolerances import Tolerance
from sim.baselines.changes import changes
from sim.baselines.power import POWER, Test
from sim.baselines.scenario_baseline import Measured, ScenarioBaseline, measured
from sim.baselines.tolerances import tolerance_asked, tolerance_for
from sim.experiments.runs.replications import Result
from sim.stats.differences import EQUAL_PAIRS, SECONDS, Difference, Observed, PooledPair, differences, holm

LEVEL = 0.005
"""Probability of a false alarm in a whole suite that is unchanged, at most."""
BOUND = 0.95
"""Confidence of the upper bound of a change, by which a metric without enough power may pass."""


class Verdict(StrEnum):
    """The verdict on a metric, a scenario or a suite."""

    PASS = "PASS"  # noqa: S105 - not a password
    INCONCLUSIVE = "INCONCLUSIVE"
    REGRESSION = "REGRESSION"


ORDER = tuple(Verdict)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of several verdicts; PASS without any."""
    return max(verdicts, key=ORDER.index, default=Verdict.PASS)


@dataclass(frozen=True, slots=True)
class MetricJudgment:
    """The verdict on a metric, and what it rests on.

    `difference` is the change since the baseline; None where fewer than two replications observed the metric then and
    now. `margin` is the tolerance in the metric's unit. `needed`: how many replications would be enough, where they
    are too few; None: not known, or too many. `improved`: it is shown to be better, by more than its tolerance.
    """

    metric: str
    verdict: Verdict
    before: Measured
    now: Measured | None
    tolerance: Tolerance
    margin: float
    difference: Difference | None = None
    needed: int | None = None
    identical: bool = False
    improved: bool = False


@dataclass(frozen=True, slots=True)
class Judgment:
    """The verdicts on the metrics of a scenario. `changes`: how scenario and versions differ, in words."""

    baseline: ScenarioBaseline
    metrics: tuple[MetricJudgment, ...]
    changes: tuple[str, ...]
    paired: bool

    @property
    def verdict(self) -> Verdict:
        """The worst verdict on a metric."""
        return worst([each.verdict for each in self.metrics])

    @property
    def identical(self) -> bool:
        """Whether every value of every metric equals that of the baseline."""
        return all(each.identical for each in self.metrics)

    def of(self, verdict: Verdict) -> list[MetricJudgment]:
        """The metrics with a verdict."""
        return [each for each in self.metrics if each.verdict == verdict]

    @property
    def improved(self) -> list[MetricJudgment]:
        """The metrics that are better by more than their tolerance."""
        return [each for each in self.metrics if each.improved]


def judge(
    baseline: ScenarioBaseline,
    result: Result,
    tolerances: Mapping[str, Tolerance] | None = None,
    scenarios: int = 1,
) -> Judgment:
    """Judge a result against the baseline of its scenario.

    Replications of the same names are compared in pairs. Those of another seed are independent. The scenario's own
    tolerances come before `tolerances`. `scenarios` is the number of scenarios that are judged together.
    """
    given = (result.scenario.tolerances, tolerances or {})
    pairs = _matched(baseline, result)
    judged = [_Judged(then, now, pairs.paired, given) for then, now in pairs.metrics]
    found = differences([each.observed() for each in judged if each.is_compared])
    level = LEVEL / max(1, scenarios)
    worse = holm({name: judged_p(found[name], each, 1) for each in judged if (name := each.name) in found})
    better = holm({name: judged_p(found[name], each, -1) for each in judged if (name := each.name) in found})
    tests = max(1, len(worse))
    metrics = tuple(
        each.verdict(found.get(each.name), worse.get(each.name, 1.0), better.get(each.name, 1.0), level, tests)
        for each in judged
    )
    return Judgment(baseline, metrics, tuple(changes(baseline, result.scenario)), pairs.paired)


def judged_p(of: Difference, metric: _Judged, sign: int) -> float:
    """The one-sided p-value of a change for the worse (sign 1) or the better (−1); two-sided without a direction."""
    if of.p is None or of.difference is None:
        return 1.0
    change = sign * metric.worsening(of)
    if metric.direction is None:
        return of.p if sign > 0 else 1.0
    return of.p / 2 if change > 0 else 1 - of.p / 2


@dataclass(frozen=True, slots=True)
class _Pairs:
    metrics: list[tuple[Measured, Measured | None]]
    paired: bool


def _matched(baseline: ScenarioBaseline, result: Result) -> _Pairs:
    """The metrics then and now. Of different numbers of the same replications, those that both have."""
    names = [run.seed for run in result.runs]
    if names == baseline.names or result.seed != str(baseline.seed):
        now = {each.metric: each for each in measured(result, list(baseline.metrics))}
        metrics = [(then, now.get(name)) for name, then in baseline.metrics.items()]
        return _Pairs(metrics, names == baseline.names)
    common = [name for name in baseline.names if name in names]
    by_name = dict(zip(names, result.runs, strict=True))
    fewer = replace(result, runs=tuple(by_name[name] for name in common))
    now = {each.metric: each for each in measured(fewer, list(baseline.metrics), pool=False)}
    places = [baseline.names.index(name) for name in common]
    return _Pairs([(_only(then, places), now.get(name)) for name, then in baseline.metrics.items()], True)


def _only(of: Measured, places: Sequence[int]) -> Measured:
    return replace(of, values=tuple(of.values[place] for place in places), pooled=())


@dataclass(frozen=True, slots=True)
class _Judged:
    """A metric then and now."""

    then: Measured
    now: Measured | None
    paired: bool
    given: tuple[Mapping[str, Tolerance], ...]

    @property
    def name(self) -> str:
        return self.then.metric

    @property
    def direction(self) -> Direction:
        return lookup(self.name).direction

    @property
    def tolerance(self) -> Tolerance:
        return tolerance_for(self.name, *self.given)

    @property
    def margin(self) -> float:
        return self.tolerance.margin(self.then.mean)

    @property
    def identical(self) -> bool:
        now = self.now
        return self.paired and now is not None and (now.values, now.pooled) == (self.then.values, self.then.pooled)

    @property
    def is_compared(self) -> bool:
        has_direction = self.direction is not None or tolerance_asked(self.name, *self.given) is not None
        return self.now is not None and not self.identical and has_direction

    def observed(self) -> Observed:
        """The values to compare."""
        then, now = self.then, self.now
        assert now is not None
        pooled = None
        if then.pooled and now.pooled:
            a, b = np.array(then.pooled, dtype=np.float64), np.array(now.pooled, dtype=np.float64)
            pooled = PooledPair(then.mean, now.mean, a, b)
        return Observed(self.name, then.unit, self.direction, then.values, now.values, pooled, self.paired)

    def worsening(self, of: Difference) -> float:
        """The change for the worse, in the metric's unit; without a direction, in either direction."""
        change = 0.0 if of.difference is None else of.difference.mean
        return -change if self.direction == "higher" else change if self.direction == "lower" else abs(change)

    def verdict(self, of: Difference | None, worse: float, better: float, level: float, tests: int) -> MetricJudgment:
        """The verdict from the p-values among all metrics, and the level of the scenario."""
        now = self.now
        passed = MetricJudgment(self.name, Verdict.PASS, self.then, now, self.tolerance, self.margin, of)
        if self.identical or (now is not None and not self.is_compared):
            return replace(passed, identical=self.identical)
        inconclusive = replace(passed, verdict=Verdict.INCONCLUSIVE)
        if of is None or of.difference is None:
            return inconclusive
        change = self.worsening(of)
        if worse < level and change > self.margin:
            return replace(passed, verdict=Verdict.REGRESSION)
        improved = better < level and -change > self.margin
        needed = self._needed(of, change, level / tests)
        if needed is not None and not improved:
            return replace(inconclusive, needed=needed if needed > 0 else None)
        return replace(passed, improved=improved)

    def _needed(self, of: Difference, change: float, level: float) -> int | None:
        """How many replications a verdict needs; None: there are enough; 0: not known, or too many."""
        assert of.difference is not None
        count, bounds = of.difference.n, of.difference.ci95
        if bounds is None or not isfinite(change):
            return None if change <= self.margin else 0
        degrees = count - 1 if self.paired else 2 * (count - 1)
        error = (bounds[1] - bounds[0]) / 2 / float(stdtrit(degrees, 0.975))
        if error == 0 and self.paired and self.then.unit == SECONDS:
            return None if change <= self.margin else EQUAL_PAIRS
        test = Test(level, error * sqrt(count), self.paired)
        size = self.margin or change
        if change <= self.margin:
            is_bounded = change + float(stdtrit(degrees, BOUND)) * error <= self.margin
            if is_bounded or self.margin == 0 or test.power(size, count) >= POWER:
                return None
        return test.replications(size) or 0
