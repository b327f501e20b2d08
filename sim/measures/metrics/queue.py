"""Depth and deliveries of the queue."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Rows, Tracks
from sim.measures.tables.step_functions import Steps


def measure_queue(history: History) -> Measured:
    """The `queue.*` metrics, over the window from the warm-up to the end.

    `.depth.mean`, `.depth.max`: queued tasks, from their entry until they are delivered, withdrawn or dead-lettered; a
    task that passes through within one instant does not count. `.deliveries`, `.redeliveries` (without a task's first
    delivery), `.duplicates`, `.dead_lettered`: counts.
    """
    tracks = Tracks.of(history)
    depth = queue_depth(tracks)
    deliveries = tracks.in_window(Event.QUEUE_DELIVERED)
    return {
        "queue.depth.mean": depth.mean,
        "queue.depth.max": depth.max,
        "queue.deliveries": float(len(deliveries)),
        "queue.redeliveries": float(np.count_nonzero(tracks.value[deliveries] > 1)),
        "queue.duplicates": float(len(tracks.in_window(Event.QUEUE_DUPLICATED))),
        "queue.dead_lettered": float(len(tracks.in_window(Event.QUEUE_DEAD_LETTERED))),
    }


def queue_depth(tracks: Tracks) -> Steps:
    """The number of queued tasks over time, within the window."""
    times, changes = depth_changes(tracks)
    return Steps.of(0.0, times, changes, tracks.start, max(tracks.start, tracks.end))


def depth_changes(tracks: Tracks) -> tuple[Floats, Floats]:
    """Times at which the number of queued tasks changes, and the changes."""
    events = (Event.QUEUE_ENTERED, Event.QUEUE_DELIVERED, Event.QUEUE_WITHDRAWN)
    dead = tracks.task[tracks.rows(Event.QUEUE_DEAD_LETTERED)]
    if not len(dead):
        rows = tracks.rows(*events)
        changes = np.where(tracks.event[rows] == Event.QUEUE_ENTERED, 1.0, -1.0)
    else:
        rows = tracks.rows(*events, Event.QUEUE_DEAD_LETTERED)
        changes = np.where(tracks.event[rows] == Event.QUEUE_ENTERED, 1.0, -1.0)
        of_dead = np.flatnonzero(np.isin(tracks.task[rows], dead))
        changes[of_dead] = _never_below_zero(tracks, rows[of_dead])
    return tracks.time[rows], changes


def _never_below_zero(tracks: Tracks, rows: Rows) -> Floats:
    """Changes by dead-lettered tasks; their earlier events show whether they were queued."""
    standing: dict[int, int] = {}
    changes = np.zeros(len(rows))
    for place, row in enumerate(rows.tolist()):
        task, event = int(tracks.task[row]), int(tracks.event[row])
        before = standing.get(task, 0)
        if event == Event.QUEUE_ENTERED:
            after = before + 1
        elif event == Event.QUEUE_DEAD_LETTERED:
            after = 0
        else:
            after = max(0, before - 1)
        standing[task] = after
        changes[place] = after - before
    return changes
