"""Depth and deliveries of the queue."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Rows, Tracks, Truths
from sim.measures.tables.step_functions import Steps
from sim.stats.samples import Sample


def measure_queue(history: History) -> Measured:
    """The `queue.*` metrics, over the window from the warm-up to the end.

    `.depth.mean`, `.depth.max`: queued tasks, from their entry until they are delivered, withdrawn or dead-lettered; a
    task that passes through within one instant does not count. `.deliveries`, `.redeliveries` (without a task's first
    delivery), `.duplicates`, `.dead_lettered`: counts. `.prefetched.mean`, `.prefetched.max`: deliveries that wait in
    agents for a slot, from their arrival until they start, are dropped, or are lost with their agent; None without
    prefetch (`meta["prefetch"]`).

    All of them also for each queue in `meta["queues"]`, as `queue.fast.depth.mean`.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "queue", None)
    for queue, kinds in tracks.meta.get("queues", {}).items():
        waits = [of_kind for kind, of_kind in tracks.task_kinds.items() if kind in kinds]
        measured |= _measure(tracks, f"queue.{queue}", np.logical_or.reduce(waits))
    return measured


def _measure(tracks: Tracks, name: str, among: Truths | None) -> dict[str, float | Sample | None]:
    """The metrics of some tasks (None: of all) in a queue, whose names begin with `name`."""

    def rows(event: int) -> Rows:
        found = tracks.in_window(event)
        return found if among is None else found[among[tracks.task[found]]]

    depth = queue_depth(tracks, among)
    deliveries = rows(Event.QUEUE_DELIVERED)
    prefetched = _prefetched(tracks, among) if tracks.meta.get("prefetch") else None
    return {
        f"{name}.depth.mean": depth.mean,
        f"{name}.depth.max": depth.max,
        f"{name}.prefetched.mean": None if prefetched is None else prefetched.mean,
        f"{name}.prefetched.max": None if prefetched is None else prefetched.max,
        f"{name}.deliveries": float(len(deliveries)),
        f"{name}.redeliveries": float(np.count_nonzero(tracks.value[deliveries] > 1)),
        f"{name}.duplicates": float(len(rows(Event.QUEUE_DUPLICATED))),
        f"{name}.dead_lettered": float(len(rows(Event.QUEUE_DEAD_LETTERED))),
    }


def queue_depth(tracks: Tracks, among: Truths | None = None) -> Steps:
    """The number of queued tasks over time, within the window: of some tasks, or of all (None)."""
    times, changes = depth_changes(tracks, among)
    return Steps.of(0.0, times, changes, tracks.start, max(tracks.start, tracks.end))


def _prefetched(tracks: Tracks, among: Truths | None) -> Steps:
    """The number of prefetched deliveries over time, within the window: of some tasks, or of all (None)."""
    rows = tracks.rows(Event.DELIVERY_PREFETCHED, Event.DELIVERY_TAKEN)
    if among is not None:
        rows = rows[among[tracks.task[rows]]]
    changes = np.where(tracks.event[rows] == Event.DELIVERY_PREFETCHED, 1.0, -1.0)
    return Steps.of(0.0, tracks.time[rows], changes, tracks.start, max(tracks.start, tracks.end))


def depth_changes(tracks: Tracks, among: Truths | None = None) -> tuple[Floats, Floats]:
    """Times at which the number of queued tasks changes, and the changes; of some tasks, or of all (None)."""
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
    if among is not None:
        mine = among[tracks.task[rows]]
        rows, changes = rows[mine], changes[mine]
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
