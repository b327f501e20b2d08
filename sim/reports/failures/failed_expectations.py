"""Expectations that do not hold, and which runs show it."""

from __future__ import annotations

from scenarios.fields.expectations import Expectation
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.reports.failures.replay import Replay


def failing_run(result: Result, expectation: Expectation) -> RunSummary | None:
    """The first replication that by itself is not as expected; None when only the estimate over all is not."""
    for run in result.runs:
        observed = run.metrics.get(expectation.metric)
        if not expectation.holds(observed) and (observed is not None or expectation.in_runs is None):
            return run
    return None


def replay_of(result: Result, expectation: Expectation, how: Replay) -> str:
    """The command that reproduces a failed expectation."""
    run = failing_run(result, expectation)
    if run is not None:
        return how.command(run.seed)
    if len(result.runs) == 1:
        return how.command(result.runs[0].seed)
    return how.command(result.seed, len(result.runs))


def broken(result: Result) -> list[tuple[RunSummary, str]]:
    """Violations of invariants as text, each with its replication."""
    return [(run, violation) for run in result.runs for violation in run.violations]
