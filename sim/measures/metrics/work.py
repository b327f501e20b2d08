"""Useful and wasted agent time."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks


def measure_work(history: History) -> Measured:
    """The `work.*` metrics in agent-seconds, of tasks submitted at or after the warm-up that were completed or
    failed.

    Work done = Σ (progress at the end − progress at the start) of their ended attempts. `.useful` = Σ progress of the
    accepted effects; `.wasted` = work done − useful; `.wasted_fraction` = wasted ÷ (useful +
    wasted); `.checkpoint` = checkpoints written × `meta["checkpoint_cost"]`. None without such a finished task.
    """
    tracks = Tracks.of(history)
    tasks, attempts = tracks.tasks, tracks.attempts
    completed = tasks.became(Event.TASK_COMPLETED)
    ended = completed | tasks.became(Event.TASK_FAILED)
    if not ended.any():
        return dict.fromkeys(("work.useful", "work.wasted", "work.checkpoint", "work.wasted_fraction"))
    chosen = (attempts.end_row >= 0) & ended[attempts.task]
    done = float(np.nansum(tracks.value[attempts.end_row[chosen]]) - np.nansum(tracks.value[attempts.row[chosen]]))
    useful = float(np.nansum(tracks.value[tasks.end_row[completed]]))
    wasted = done - useful
    if abs(wasted) <= 1e-9 * done:  # rounding errors of large sums; no waste must be exactly 0
        wasted = 0.0
    written = tracks.rows(Event.CHECKPOINT_WRITTEN)
    checkpoints = int(np.count_nonzero(ended[tracks.task[written]]))
    return {
        "work.useful": useful,
        "work.wasted": wasted,
        "work.checkpoint": checkpoints * float(tracks.meta.get("checkpoint_cost", 0.0)),
        "work.wasted_fraction": wasted / (useful + wasted) if useful + wasted > 0 else None,
    }
