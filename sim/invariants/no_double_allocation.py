"""No pool gives more than it has, and no task holds its needs twice over."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.holdings import Holdings
from sim.invariants.violation import Violation
from sim.measures.timeline import running_totals
from sim.measures.tracks import Tracks

INVARIANT = "no_double_allocation"


def check(history: History) -> list[Violation]:
    """Allocations after which a pool has given more units than it has, or a task holds units of a pool twice.

    A unit that goes out of service counts as held until it is released. Two attempts at a task that both run may hold what
    each needs (a lease ran out while an attempt was slow); what an attempt held that has ended, or the same attempt, or the
    core for the task's next one, must be given back before units of the pool are allocated again.
    """
    tracks = Tracks.of(history)
    return sorted(_overdrawn(tracks) + _held_twice(tracks), key=lambda violation: violation.row)


def _overdrawn(tracks: Tracks) -> list[Violation]:
    violations = []
    rows = tracks.rows(Event.RESOURCE_ALLOCATED, Event.RESOURCE_RELEASED)
    for pool, units in tracks.meta.get("resources", {}).items():
        of_pool = rows[tracks.about[rows] == tracks.number(pool)]
        allocated = tracks.event[of_pool] == Event.RESOURCE_ALLOCATED
        held = np.cumsum(np.where(allocated, tracks.value[of_pool], -tracks.value[of_pool]))
        violations += [
            Violation.at(tracks, row, INVARIANT, f"{total:g} units of {pool} are held, there are {units:g}")._replaced(
                tracks, row
            )
            for row, total in zip(
                of_pool[allocated & (held > units)].tolist(), held[allocated & (held > units)].tolist(), strict=True
            )
        ]
    return violations


def _held_twice(tracks: Tracks) -> list[Violation]:
    raise NotImplementedError
