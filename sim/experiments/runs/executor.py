"""Where runs are executed: here, on processes of this machine, or on a cluster.

A run is a scenario and the name of a replication, and what it gives depends on nothing else: not on where it is run,
nor when, nor on what is run beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from scenarios import Scenario
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.summary import RunSummary
from sim.simulation import run

Key = TypeVar("Key")
Given = TypeVar("Given")
Work = tuple[Key, Scenario, str]
"""A run under a key of the caller's: the scenario, and the name of the replication."""
OnRun = Callable[[RunSummary], None]
"""Hears of a run as it is finished."""


def summaries(
    works: Sequence[Work[Key]], on: int | Backend = 1, on_lost: Callable[[int], None] | None = None
) -> Iterator[tuple[Key, RunSummary]]:
    """What each run gives, as they are finished, in any order; `on` so many processes, or a backend.

    Raises what `Backend.each` raises.
    """
    for place, found in spread(summary, [(scenario, name) for _, scenario, name in works], on, on_lost):
        yield works[place][0], found


def spread(
    work: Callable[..., Given],
    arguments: Sequence[tuple[Any, ...]],
    on: int | Backend = 1,
    on_lost: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Given]]:
    """What `work` gives for each of these arguments, with its place: in this process where that is as good.

    Raises what `Backend.each` raises.
    """
    backend = Backend(jobs=on) if isinstance(on, int) else on
    if backend.is_here or (backend.name == "loky" and len(arguments) == 1):
        for place, each in enumerate(arguments):
            yield place, work(*each)
        return
    yield from backend.each(work, arguments, on_lost)


def summary(scenario: Scenario, name: str) -> RunSummary:
    """One run."""
    return RunSummary.of(run(scenario, name))
