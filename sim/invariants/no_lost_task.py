"""Every task that was accepted is completed, given up visibly, or still with somebody."""

from __future__ import annotations

import numpy as np

from sim.history import History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.task_ownership import lost

INVARIANT = "no_lost_task"


def check(history: History) -> list[Violation]:
    """Tasks that have no end and that nobody has at the end of the run, each at the last thing that happened to it.

    Somebody has a task while it stands in the queue's line, is delivered and neither acknowledged nor settled, runs
    in an attempt that is not void, or is subject of an open recovery, its own or that of the agent that had it last.
    """
    tracks = Tracks.of(history)
    tasks = lost(tracks)
    if not len(tasks):
        return []
    last = tracks.last_by_task(np.flatnonzero(np.isin(tracks.task, tasks)))
    return [
        Violation(INVARIANT, tracks.end, f"task.{task}", "nobody has it and it has no end", int(last[task]))
        for task in tasks
    ]
