"""No action under a fenced epoch takes effect."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks

INVARIANT = "fencing"
EFFECTS = {Event.TASK_COMPLETED: "its effect was accepted", Event.CHECKPOINT_WRITTEN: "a checkpoint was written"}


def check(history: History) -> list[Violation]:
    """Effects and checkpoints accepted under an epoch that an earlier fence of the task had invalidated."""
    tracks = Tracks.of(history)
    fences = tracks.rows(Event.TASK_FENCED)
    if not len(fences):
        return []
    rows = tracks.rows(*EFFECTS)
    fence = tracks.latest_before(fences, rows, tracks.task)
    fenced = (fence >= 0) & (tracks.epoch[rows] <= np.where(fence >= 0, tracks.value[fence], 0))
    return [
        Violation.at(
            tracks,
            row,
            INVARIANT,
            f"{EFFECTS[Event(int(tracks.event[row]))]} under epoch {tracks.epoch[row]}, "
            f"fenced since {tracks.time[since]:g} s",
        )
        for row, since in zip(rows[fenced].tolist(), fence[fenced].tolist(), strict=True)
    ]
