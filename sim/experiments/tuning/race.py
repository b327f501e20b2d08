"""Runs settings on the same replications, and stops those early that cannot be among the best.

A setting is stopped when an expectation on every run does not hold in one, or when a setting that is finished is better
in every objective with a confidence of 99 % each, by the paired differences of the replications so far. In a search for
a recommendation it is the first objective alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, log1p, sqrt

import numpy as np
from scipy.special import stdtrit

from scenarios import Scenario
from scenarios.fields.metrics import lookup
from sim.core.build import BuildCore
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.executor import OnRun, summaries
from sim.experiments.runs.metric_estimates import estimate_of, outcomes
from sim.experiments.runs.summary import RunSummary
from sim.experiments.sweeps.designs import Point, as_values
from sim.experiments.sweeps.folder import key
from sim.experiments.tuning.objectives import Across, Objective, overall
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import observation
from sim.stats.estimates import Estimate

CONFIDENCE = 0.99
FARTHEST = 50.0
FIRST_LOOK = 3
"""Replications before a setting may be stopped. With two, Student's interval is too wide to stop any."""


def looks(replications: int) -> list[int]:
    """The numbers of replications after which settings may be stopped: 3, 6, 12, …, and all."""
    found = []
    size = FIRST_LOOK
    while size < replications:
        found.append(size)
        size *= 2
    return [*found, replications]


@dataclass(frozen=True)
class Judged:
    """A setting after the search: its values of the objectives (None: not observed, or infinite), the replications that
    it was run on, whether it was stopped early because of a better one, and how far its expectations are from holding.

    `distances`: of each expectation of each scenario, 0 if it holds; else the relative distance to its bound, above 0.
    `failed`: what does not hold, in words.
    """

    point: Point
    values: tuple[float | None, ...]
    replications: int
    is_stopped: bool
    distances: tuple[float, ...]
    failed: tuple[str, ...]

    @property
    def is_feasible(self) -> bool:
        """Whether every expectation holds and every objective is observed."""
        return not any(self.distances) and not self.failed and all(value is not None for value in self.values)


class Race:
    """The runs of settings by setting, scenario and replication, each made once."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        objectives: Sequence[Objective],
        across: Across,
        seeds: Sequence[str],
        core: BuildCore,
        on: Backend,
        on_run: OnRun | None = None,
        on_lost: Callable[[int], None] | None = None,
        decisive: int | None = None,
    ) -> None:
        """`decisive`: how many of the objectives, from the first on, stop a setting that is worse; None: all."""
        self._scenarios = scenarios
        self._objectives = objectives
        self._decisive = objectives[:decisive]
        self._across = across
        self._seeds = seeds
        self._core = core
        self._on = on
        self._on_run, self._on_lost = on_run, on_lost
        self._settings: dict[str, list[Scenario]] = {}
        self._seen: dict[tuple[str, int, int], RunSummary] = {}

    @property
    def runs(self) -> int:
        """How many runs were made."""
        return len(self._seen)

    def settings(self, point: Point) -> list[Scenario]:
        """The scenarios with the values of a point. Raises ScenarioError."""
        name = key(point)
        if name not in self._settings:
            self._settings[name] = [each.with_values(as_values(point)) for each in self._scenarios]
        return self._settings[name]

    def take(self, points: Iterable[Point], numbers: Iterable[int]) -> None:
        """Run what is missing of these replications of settings."""
        wanted = [
            ((key(point), place, number), setting, f"{self._seeds[place]}/{number}")
            for number in numbers
            for point in points
            for place, setting in enumerate(self.settings(point))
        ]
        works = [work for work in {work[0]: work for work in wanted}.values() if work[0] not in self._seen]
        for name, summary in summaries(works, self._on, self._on_lost, self._core) if works else ():
            self._seen[name] = summary
            if self._on_run is not None:
                self._on_run(summary)

    def runs_of(self, point: Point, place: int, numbers: Iterable[int]) -> list[RunSummary]:
        """The runs of a setting of one scenario."""
        return [self._seen[key(point), place, number] for number in numbers]

    def estimates(self, point: Point, numbers: Sequence[int]) -> list[list[Estimate | None]]:
        """The estimate of each objective, by objective and scenario."""
        settings = self.settings(point)
        return [
            [
                estimate_of(objective.metric, self.runs_of(point, place, numbers), setting)
                for place, setting in enumerate(settings)
            ]
            for objective in self._objectives
        ]

    def values(self, point: Point, numbers: Sequence[int], now: Point) -> tuple[float | None, ...]:
        """The value of each objective over all scenarios; None where one does not observe it, or observes infinity."""
        found: list[float | None] = []
        at_present = self.estimates(now, numbers) if len(self._scenarios) > 1 else None
        for place, (objective, estimates) in enumerate(
            zip(self._objectives, self.estimates(point, numbers), strict=True)
        ):
            means = _means(estimates)
            base = means if at_present is None else _means(at_present[place])
            if means is None or base is None:
                found.append(None)
            else:
                found.append(overall(means, base, objective, self._across))
        return tuple(found)

    def outcomes(self, point: Point, numbers: Sequence[int]) -> list[list[Outcome]]:
        """The expectations judged on these replications, by scenario."""
        return [
            outcomes(self.runs_of(point, place, numbers), setting) for place, setting in enumerate(self.settings(point))
        ]

    def judge(self, point: Point, count: int, now: Point, *, is_stopped: bool) -> Judged:
        """The setting by its first `count` replications."""
        numbers = range(count)
        distances: list[float] = []
        failed: list[str] = []
        for place, of_scenario in enumerate(self.outcomes(point, numbers)):
            scenario = self.settings(point)[place]
            for expectation, outcome in zip(scenario.expect, of_scenario, strict=True):
                distances.append(_distance(outcome, expectation.value))
                if outcome.disqualifies:
                    unit = lookup(expectation.metric, scenario.parts).unit
                    observed = observation(outcome.observed, unit)
                    failed.append(f"{scenario.name}: {outcome.expression}, observed {observed}")
            broken = [run for run in self.runs_of(point, place, numbers) if run.violations or run.errors]
            if broken:
                first = broken[0]
                failed.append(f"{scenario.name}: {first.seed}: {[*first.violations, *map(str, first.errors)][0]}")
        return Judged(point, self.values(point, numbers, now), count, is_stopped, tuple(distances), tuple(failed))

    def race(self, points: Sequence[Point], incumbents: Sequence[Point], most: int, now: Point) -> list[Judged]:
        """Run settings on up to `most` replications, in step, and judge each. `incumbents` are run on all of them."""
        left = dict.fromkeys(range(len(points)))
        found: dict[int, Judged] = {}
        for count in looks(most):
            self.take([*(points[place] for place in left), *incumbents, now], range(count))
            for place in [*left]:
                point = points[place]
                if count == most or self._fails_in_a_run(point, count):
                    found[place] = self.judge(point, count, now, is_stopped=False)
                elif any(self._is_better(each, point, count) for each in incumbents if each != point):
                    found[place] = self.judge(point, count, now, is_stopped=True)
                else:
                    continue
                del left[place]
            if not left:
                break
        return [found[place] for place in range(len(points))]

    def _fails_in_a_run(self, point: Point, count: int) -> bool:
        """Whether an expectation on every run does not hold in one of them: more replications cannot change that."""
        return any(
            expectation.in_runs == 1.0 and outcome.disqualifies
            for setting, of_scenario in zip(self.settings(point), self.outcomes(point, range(count)), strict=True)
            for expectation, outcome in zip(setting.expect, of_scenario, strict=True)
        )

    def _is_better(self, one: Point, other: Point, count: int) -> bool:
        """Whether one setting is shown to be better than another in every decisive objective, in every scenario."""
        limit = float(stdtrit(count - 1, CONFIDENCE))
        for objective in self._decisive:
            for place in range(len(self._scenarios)):
                a, b = (self._observed(each, place, objective, count) for each in (one, other))
                apart = np.array([y - x for x, y in zip(a, b, strict=True) if isfinite(x) and isfinite(y)])
                if len(apart) < count:
                    return False
                error = float(apart.std(ddof=1)) / sqrt(count)
                if not float(apart.mean()) > limit * error:
                    return False
        return True

    def _observed(self, point: Point, place: int, objective: Objective, count: int) -> list[float]:
        """The loss in each replication; NaN where it is not observed."""
        values = (run.metrics.get(objective.metric) for run in self.runs_of(point, place, range(count)))
        return [float("nan") if value is None else objective.loss(value) for value in values]


def _means(estimates: Sequence[Estimate | None]) -> list[float] | None:
    """The means; None if one is missing or infinite."""
    means = [each.mean for each in estimates if each is not None and isfinite(each.mean)]
    return means if len(means) == len(estimates) else None


def _distance(outcome: Outcome, bound: float) -> float:
    """How far an expectation is from holding: log(1 + x) of the distance x relative to its bound; 0 if it does not
    disqualify, `FARTHEST` for an infinite distance, and for no observation.
    """
    if not outcome.disqualifies:
        return 0.0
    if outcome.observed is None or not isfinite(outcome.observed):
        return FARTHEST
    return min(FARTHEST, max(1e-6, log1p(abs(outcome.observed - bound) / (abs(bound) or 1.0))))
