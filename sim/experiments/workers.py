"""Where runs are executed: here, or on processes of this machine.

A run is a scenario and the name of a replication, and what it gives depends on nothing else: not on where it is run,
nor when, nor on what is run beside it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

from scenarios import Scenario
from sim.bench import run
from sim.experiments.summaries import RunSummary

Key = TypeVar("Key")
Work = tuple[Key, Scenario, str]
"""A run under a key of the caller's: the scenario, and the name of the replication."""


def summaries(works: Sequence[Work[Key]], jobs: int = 1) -> Iterator[tuple[Key, RunSummary]]:
    """What each run gives, as they are finished, in any order."""
    if jobs == 1 or len(works) == 1:
        for key, scenario, name in works:
            yield key, summary(scenario, name)
        return
    with warnings.catch_warnings():
        # Closing the generator early (Ctrl-C) is our way to stop; joblib says that it aborts the rest.
        warnings.filterwarnings("ignore", module="joblib")
        done = Parallel(n_jobs=min(jobs, len(works)), return_as="generator_unordered")(
            delayed(_numbered)(place, scenario, name) for place, (_, scenario, name) in enumerate(works)
        )
        for place, found in done:
            yield works[place][0], found


def _numbered(place: int, scenario: Scenario, name: str) -> tuple[int, RunSummary]:
    return place, summary(scenario, name)


def summary(scenario: Scenario, name: str) -> RunSummary:
    """One run."""
    return RunSummary.of(run(scenario, name))


OnRun = Callable[[RunSummary], None]
"""Hears of a run as it is finished."""
