"""No attempt starts from a damaged checkpoint, or from one that was never written."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks

INVARIANT = "checkpoint_integrity"
USES = (Event.CHECKPOINT_RESTORED, Event.CHECKPOINT_LOADED)
PAST = (Event.CHECKPOINT_WRITTEN, Event.CHECKPOINT_CORRUPTED)


def check(history: History) -> list[Violation]:
    """Checkpoints chosen by a recovery or loaded by an attempt without an intact copy at that time.

    A copy is identified by its task, its progress and the epoch that wrote it. Progress 0 (or none) is the start of the
    work and needs no checkpoint.
    """
    tracks = Tracks.of(history)
    uses = tracks.rows(*USES)
    uses = uses[tracks.value[uses] > 0]
    if not len(uses):
        return []
    rows = tracks.rows(*USES, *PAST)
    concerned = np.zeros(tracks.task_count, dtype=bool)
    concerned[tracks.task[uses]] = True
    rows = rows[concerned[tracks.task[rows]]]
    copies: dict[tuple[int, float], dict[int, bool]] = {}
    violations = []
    for row, event, task, epoch, progress in zip(
        rows.tolist(),
        tracks.event[rows].tolist(),
        tracks.task[rows].tolist(),
        tracks.epoch[rows].tolist(),
        tracks.value[rows].tolist(),
        strict=True,
    ):
        sound = copies.setdefault((task, progress), {})
        if event in PAST:
            sound[epoch] = event == Event.CHECKPOINT_WRITTEN
        elif progress > 0 and not any(sound.values()):
            used = "an attempt starts from" if event == Event.CHECKPOINT_LOADED else "a recovery restores"
            what = "a damaged checkpoint" if sound else "a checkpoint that was never written"
            violations.append(Violation.at(tracks, row, INVARIANT, f"{used} {what}, at {progress:g} s of work"))
    return violations
