"""Executes runs in this process, on processes of this machine, or on a cluster.

The result of a run depends only on its scenario and the name of its replication, not on where, when or with which other
runs it is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from scenarios import Scenario
from sim.core.build import BuildCore, build_core
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.summary import RunSummary
from sim.simulation import run

Key = TypeVar("Key")
Given = TypeVar("Given")
Work = tuple[Key, Scenario, str]
"""A run: a key of the caller, the scenario, and the name of the replication."""
OnRun = Callable[[RunSummary], None]
"""Called with each finished run."""


def summaries(
    works: Sequence[Work[Key]],
    on: int | Backend = 1,
    on_lost: Callable[[int], None] | None = None,
    core: BuildCore = build_core,
) -> Iterator[tuple[Key, RunSummary]]:
    """The summary of each run as soon as it is finished, in any order; `on`: number of processes, or a backend.

    `core` builds the recovery core of each run.

    Raises what `Backend.each` raises.
    """
    arguments = [(scenario, name) if core is build_core else (scenario, name, core) for _, scenario, name in works]
    for place, found in spread(summary, arguments, on, on_lost):
        yield works[place][0], found


def spread(
    work: Callable[..., Given],
    arguments: Sequence[tuple[Any, ...]],
    on: int | Backend = 1,
    on_lost: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, Given]]:
    """The result of `work` for each of these arguments, with its place; in this process if there is only one job or
    run.

    Raises what `Backend.each` raises.
    """
    backend = Backend(jobs=on) if isinstance(on, int) else on
    if backend.is_here or (backend.name == "loky" and len(arguments) == 1):
        for place, each in enumerate(arguments):
            yield place, work(*each)
        return
    yield from backend.each(work, arguments, on_lost)


def summary(scenario: Scenario, name: str, core: BuildCore = build_core) -> RunSummary:
    """The summary of one run, whatever it costs."""
    return RunSummary.of(run(scenario, name, core=core, force=True))
