"""No pool allocates more than it has, and no task holds its needs twice."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.resource_holdings import HOLDINGS, RESERVED, AttemptsOfTasks, Holdings
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import NOWHERE, Tracks
from sim.measures.tables.task_ownership import queued_by_core

INVARIANT = "no_double_allocation"


def check(history: History) -> list[Violation]:
    """Allocations after which a pool has allocated more units than it has, or a task holds units of a pool twice.

    A unit that goes out of service counts as held until it is released. Two running attempts at a task may each hold
    their needs (a lease expired while one was slow), and so may a failed attempt whose failure is not handled yet. But
    when the core has queued the task again, or allocates for its next attempt, the units of the last attempt must be
    released; and neither an attempt nor the core may get units of a pool of which it holds some.
    """
    tracks = Tracks.of(history)
    if not len(tracks.rows(*HOLDINGS)):
        return []
    holdings = Holdings.of(tracks)
    return sorted(_overdrawn(tracks, holdings) + _held_twice(tracks, holdings), key=lambda violation: violation.row)


def _overdrawn(tracks: Tracks, holdings: Holdings) -> list[Violation]:
    violations = []
    in_order = np.argsort(holdings.rows)
    rows, allocates, changes = (column[in_order] for column in (holdings.rows, holdings.allocates, holdings.changes))
    for pool, units in tracks.meta.get("resources", {}).items():
        of_pool = np.flatnonzero(tracks.about[rows] == tracks.number(pool))
        held = np.cumsum(changes[of_pool])
        violations += [
            Violation.at(tracks, rows[of_pool[place]], INVARIANT, f"{held[place]:g} units are held of {units:g}")
            for place in np.flatnonzero(allocates[of_pool] & (held > units))
        ]
    return violations


def _held_twice(tracks: Tracks, holdings: Holdings) -> list[Violation]:
    suspects = np.flatnonzero(holdings.allocates & (holdings.held > holdings.changes))
    if not len(suspects):
        return []
    attempts = AttemptsOfTasks.of(tracks)
    entered = tracks.rows_by_task(Event.QUEUE_ENTERED)
    entered = entered[queued_by_core(tracks, entered)]
    violations = []
    for place in suspects:
        row, key = int(holdings.rows[place]), int(holdings.keys[place])
        task, taker = holdings.task(key), int(tracks.epoch[row])
        held = holdings.held_after(key, row - 1)
        queued = entered[np.searchsorted(tracks.task[entered], task) :]
        queued = queued[(tracks.task[queued] == task) & (queued < row)]
        taken_up = row if taker == RESERVED else int(queued[-1]) if len(queued) else NOWHERE
        # A reservation may belong to a running attempt that got nothing under its own epoch.
        reserved_for = attempts.running(task, row) - set(held) - {taker}
        if any(
            not reserved_for
            if holder == RESERVED
            else holder == taker or NOWHERE < attempts.end_row(task, holder) < taken_up
            for holder in held
        ):
            message = f"it gets {tracks.value[row]:g} of {holdings.pool(key)} while it holds {sum(held.values()):g}"
            violations.append(Violation(INVARIANT, float(tracks.time[row]), f"task.{task}", message, row))
    return violations
