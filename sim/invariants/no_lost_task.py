"""Every accepted task is completed, given up on record, or still has an owner."""

from __future__ import annotations

import numpy as np

from sim.history import History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.task_ownership import lost

INVARIANT = "no_lost_task"


def check(history: History) -> list[Violation]:
    """Unfinished tasks without an owner at the end of the run, each at its last event.

    A task has an owner while it is queued, is delivered and neither acknowledged nor settled, runs in an attempt that
    is not fenced, or is the subject of an open recovery, its own or that of the agent that had it last. A delivery
    whose attempt is fenced is an owner only if `queue.ack_timeout` ends it.
    """
    tracks = Tracks.of(history)
    tasks = lost(tracks)
    if not len(tasks):
        return []
    last = tracks.last_by_task(np.flatnonzero(np.isin(tracks.task, tasks)))
    return [
        Violation(INVARIANT, tracks.horizon, f"task.{task}", "it is unfinished and has no owner", int(last[task]))
        for task in tasks
    ]
