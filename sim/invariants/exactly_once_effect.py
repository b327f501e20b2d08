"""A task's effect is accepted at most once."""

from __future__ import annotations

from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks

INVARIANT = "exactly_once_effect"


def check(history: History) -> list[Violation]:
    """Every acceptance of a task's effect after its first."""
    tracks = Tracks.of(history)
    rows = tracks.rows(Event.TASK_COMPLETED)
    first = tracks.first_by_task(rows)[tracks.task[rows]]
    again = first != rows
    return [
        Violation.at(tracks, row, INVARIANT, f"its effect was accepted again, first at {tracks.time[earlier]:g} s")
        for row, earlier in zip(rows[again].tolist(), first[again].tolist(), strict=True)
    ]
