"""Independent replications of a scenario: the same settings, other luck, and intervals over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from scenarios import Scenario
from scenarios.columns import files_sha256
from scenarios.metrics import lookup
from sim.bench import replication_name
from sim.experiments.summaries import RunSummary
from sim.experiments.workers import summaries
from sim.measures.diagnosis import as_frame, total
from sim.statistics import Estimate, estimate


@dataclass(frozen=True)
class Outcome:
    """An expectation of the scenario and the mean over replications that it was held against (None: no observation)."""

    expression: str
    observed: float | None
    holds: bool


@dataclass(frozen=True)
class Result:
    """Replications of one scenario. `interrupted`: fewer than asked for, because the user stopped."""

    scenario: Scenario
    seed: str
    runs: tuple[RunSummary, ...]
    interrupted: bool = False

    @cached_property
    def _measured(self) -> tuple[str, ...]:
        """Every metric that some replication has, observed or not."""
        return tuple(dict.fromkeys(name for summary in self.runs for name in summary.metrics))

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """Mean and 95 % interval of each metric, over the replications that observed it; without any it is absent."""
        estimates = {}
        for name in self._measured:
            observed = [value for summary in self.runs if (value := summary.metrics.get(name)) is not None]
            if observed:
                estimates[name] = estimate(observed, lookup(name, tuple(self.scenario.resources)).unit)
        return estimates

    @cached_property
    def expectations(self) -> tuple[Outcome, ...]:
        """The scenario's expectations, held against the means."""
        outcomes = []
        for expectation in self.scenario.expect:
            found = self.metrics.get(expectation.metric)
            observed = None if found is None else found.mean
            outcomes.append(Outcome(expectation.expression, observed, expectation.holds(observed)))
        return tuple(outcomes)

    @property
    def holds(self) -> bool:
        """Whether every expectation holds and no invariant was violated."""
        return all(outcome.holds for outcome in self.expectations) and not any(
            summary.violations for summary in self.runs
        )

    @cached_property
    def diagnosis(self) -> dict[str, dict[str, int]]:
        """How often each fault got each diagnosis, over all replications; only what happened."""
        return total([summary.diagnosis for summary in self.runs])

    @property
    def confusion(self) -> pd.DataFrame:
        """Recoveries of all replications by fault (rows) and diagnosis (columns): `sim.measures.confusion`."""
        return as_frame(self.diagnosis)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: replication, metric, value, unit."""
        pools = tuple(self.scenario.resources)
        rows = [
            (summary.seed, name, value, lookup(name, pools).unit)
            for summary in self.runs
            for name, value in summary.metrics.items()
            if value is not None
        ]
        return pd.DataFrame(rows, columns=["replication", "metric", "value", "unit"])

    def as_json(self) -> dict[str, Any]:
        """The result as plain data, in the shape of `recovery-bench run --json`."""
        return {
            "scenario": self.scenario.name,
            "version": installed_version(),
            "seed": int(self.seed) if self.seed.isdecimal() else self.seed,
            "replications": len(self.runs),
            "interrupted": self.interrupted,
            "scenario_resolved": self.scenario.resolved(),
            "runbook_sha256": self.scenario.recovery.runbook_sha256,
            "files_sha256": files_sha256(self.scenario),
            "metrics": {name: _plain(self.metrics.get(name)) for name in self._measured},
            "diagnosis": self.diagnosis,
            "expectations": [
                {"expression": outcome.expression, "observed": outcome.observed, "holds": outcome.holds}
                for outcome in self.expectations
            ],
            "runs": [
                {
                    "seed": summary.seed,
                    "history_sha256": summary.history_sha256,
                    "events": summary.events,
                    "virtual_seconds": summary.virtual_seconds,
                    "wall_seconds": summary.wall_seconds,
                    "metrics": summary.metrics,
                    "violations": list(summary.violations),
                    "diagnosis": {fault: dict(row) for fault, row in summary.diagnosis.items()},
                }
                for summary in self.runs
            ],
        }


def _plain(found: Estimate | None) -> dict[str, Any] | None:
    if found is None:
        return None
    ci95 = None if found.ci95 is None else list(found.ci95)
    return {"mean": found.mean, "ci95": ci95, "n": found.n, "unit": found.unit}


def installed_version() -> str:
    """The version of Recovery Bench, for results."""
    try:
        return version("recovery-bench")
    except PackageNotFoundError:
        return "0+unknown"


def replicate(
    scenario: Scenario,
    seed: int | str | None = None,
    replications: int = 1,
    jobs: int = 1,
    on_run: Callable[[RunSummary], None] | None = None,
) -> Result:
    """Run replications 0 … n-1 of a scenario, on `jobs` processes, and put them together in that order.

    `seed` is the scenario's own when left out; `"7/3"` is that one replication alone. `on_run` hears of each
    replication as it is finished. Interrupted by the user (Ctrl-C), it returns what is finished; with nothing finished
    it raises.
    Raises ValueError for fewer than one replication or job.
    """
    if replications < 1:
        raise ValueError(f"replications must be at least 1, not {replications}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    first = replication_name(scenario, seed)
    if isinstance(seed, str) and "/" in seed:
        names = [seed]
    else:
        names = [replication_name(scenario, seed, number) for number in range(replications)]
    finished: dict[str, RunSummary] = {}
    interrupted = False
    try:
        for _, summary in summaries([(name, scenario, name) for name in names], jobs):
            finished[summary.seed] = summary
            if on_run is not None:
                on_run(summary)
    except KeyboardInterrupt:
        if not finished:
            raise
        interrupted = True
    runs = tuple(finished[name] for name in names if name in finished)
    return Result(scenario, first.rpartition("/")[0], runs, interrupted)
