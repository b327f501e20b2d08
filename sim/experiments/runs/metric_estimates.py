"""What the replications of a scenario say of one metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from recovery.model import FailureKind
from scenarios import Scenario
from scenarios.fields.metrics import UnknownMetric, lookup, statistic_of
from sim.measures.outcomes import MeasuredRun, Outcome
from sim.measures.tables.distribution import absent
from sim.stats.estimates import Estimate, estimate, estimate_pooled
from sim.stats.samples import Sample


class ObservedRun(MeasuredRun, Protocol):
    """What one replication observed, with the observations behind its metrics."""

    @property
    def samples(self) -> Mapping[str, Sample]:
        """The observations behind its distributions, by the name before `.mean`."""


def estimate_of(name: str, runs: Sequence[ObservedRun], scenario: Scenario) -> Estimate | None:
    """The estimate of a metric; None when no replication observed it.

    A statistic of a distribution is of the observations of all replications together. Raises UnknownMetric.
    """
    unit = lookup(name, scenario.parts).unit
    of = statistic_of(name)
    samples = [] if of is None else [run.samples[of.distribution] for run in runs if of.distribution in run.samples]
    if of is not None and any(map(len, samples)):
        return estimate_pooled(samples, of, unit)
    observed = [value for run in runs if (value := run.metrics.get(name)) is not None]
    return estimate(observed, unit) if observed else None


def outcomes(runs: Sequence[ObservedRun], scenario: Scenario) -> list[Outcome]:
    """The expectations of a scenario judged on replications of it, in the scenario's order."""
    found = [(each, estimate_of(each.metric, runs, scenario)) for each in scenario.expect]
    return [Outcome.of(each, runs, None if estimate is None else estimate.mean) for each, estimate in found]


def failure_kinds(runs: Sequence[ObservedRun]) -> list[str]:
    """The kinds of failure that these runs recovered from, in order of name."""
    names = (name.split(".") for run in runs for name in run.samples)
    timed = sorted({parts[1] for parts in names if len(parts) == 3 and (parts[0], parts[2]) == ("recovery", "time")})
    return [kind for kind in timed if kind in FailureKind.__members__.values()]


class ResultMetrics(dict[str, Estimate]):
    """The estimates of a result by name, with those beside them that are computed when they are asked for.

    Iteration is over the metrics that every run has and some replication observed. Any percentile can be asked for
    (`tasks.sojourn.p90`), metrics of one kind of failure (`recovery.agent_failure.time.p95`), and `tasks.within(60s)`.
    """

    def __init__(self, runs: Sequence[ObservedRun], scenario: Scenario) -> None:
        names = dict.fromkeys(name for run in runs for name in run.metrics)
        found = ((name, estimate_of(name, runs, scenario)) for name in names)
        super().__init__({name: estimate for name, estimate in found if estimate is not None})
        self._runs, self._scenario = runs, scenario

    def __missing__(self, name: str) -> Estimate:
        try:
            found = estimate_of(name, self._runs, self._scenario)
        except UnknownMetric as error:
            raise KeyError(str(error)) from None
        if found is None:
            raise KeyError(absent(name))
        return found

    def __contains__(self, name: object) -> bool:
        """Whether some replication observed the metric, also where it is computed when it is asked for."""
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The estimate, or the default where no replication observed the metric."""
        try:
            return self[name]
        except KeyError:
            return default
