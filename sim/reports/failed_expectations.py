"""Expectations that do not hold, and commands that reproduce the failures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from scenarios.fields.expectations import Expectation
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary


def replay(name: str, seed: str, changes: Mapping[str, str] | None = None, replications: int = 1) -> str:
    """The command that repeats a run: `recovery-bench run agent-failure --seed 7/3`."""
    words = ["recovery-bench", "run", name, "--seed", seed]
    if replications > 1:
        words += ["--replications", str(replications)]
    for path, value in (changes or {}).items():
        words += ["--set", f"{path}={value}"]
    return shlex.join(words)


def failing_run(result: Result, expectation: Expectation) -> RunSummary | None:
    """The first replication that by itself is not as expected; None when only the estimate over all is not."""
    for run in result.runs:
        observed = run.metrics.get(expectation.metric)
        if not expectation.holds(observed) and (observed is not None or expectation.in_runs is None):
            return run
    return None


def replay_of(result: Result, expectation: Expectation, name: str, changes: Mapping[str, str] | None = None) -> str:
    """The command that reproduces a failed expectation."""
    run = failing_run(result, expectation)
    if run is not None:
        return replay(name, run.seed, changes)
    return replay(name, result.seed, changes, len(result.runs))


def broken(result: Result) -> list[tuple[RunSummary, str]]:
    """Violations of invariants as text, each with its replication."""
    return [(run, violation) for run in result.runs for violation in run.violations]
