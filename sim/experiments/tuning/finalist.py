"""One of the best settings of a search, verified on fresh replications."""

from __future__ import annotations

from dataclasses import dataclass

from sim.experiments.runs.replications import Result
from sim.experiments.sweeps.designs import Point
from sim.experiments.tuning.objectives import Objective
from sim.measures.outcomes import Outcome
from sim.stats.estimates import Estimate


@dataclass(frozen=True)
class Finalist:
    """A setting that the search found to be among the best, and its fresh replications, by scenario.

    `searched`: its values of the objectives in the search, which are biased in its favor: it was chosen by them.
    """

    point: Point
    searched: tuple[float | None, ...]
    fresh: tuple[Result, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The expectations that do not hold on the fresh replications."""
        return tuple(each for result in self.fresh for each in result.expectations if each.disqualifies)

    @property
    def surpassed(self) -> tuple[Outcome, ...]:
        """The expectations that do not hold because the setting is better than expected."""
        return tuple(each for result in self.fresh for each in result.expectations if each.is_surpassed)

    @property
    def is_confirmed(self) -> bool:
        """Whether every expectation holds on the fresh replications too, and no invariant is violated."""
        sound = not any(run.violations or run.errors for result in self.fresh for run in result.runs)
        return sound and not self.failed

    def estimates(self, objective: Objective) -> list[Estimate | None]:
        """The estimate of an objective on the fresh replications, by scenario."""
        return [result.metrics.get(objective.metric) for result in self.fresh]
