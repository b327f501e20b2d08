"""Every recovery ends: verified, escalated or dismissed."""

from __future__ import annotations

import numpy as np

from sim.history import History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents

INVARIANT = "recovery_terminates"
SILENT_SHARE = 0.5
"""The fraction of a run for which an open recovery may have no event, unless the run has its own bound."""


def check(history: History) -> list[Violation]:
    """Recoveries that are open at the end of the run and too old.

    With `meta["recovery_bound"]` (seconds): those open for longer. Without: those without an event for more than half
    of the run; a shorter silence may be a delay or a lasting fault.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    still_open = np.flatnonzero(incidents.end_row < 0)
    if not len(still_open):
        return []
    bound = tracks.meta.get("recovery_bound")
    event_rows = np.flatnonzero(np.isin(tracks.incident, incidents.number[still_open]))
    latest = dict(zip(tracks.incident[event_rows].tolist(), event_rows.tolist(), strict=True))
    violations = []
    for place in still_open:
        row, number = int(incidents.row[place]), int(incidents.number[place])
        last = latest[number]
        age, silence = tracks.horizon - float(tracks.time[row]), tracks.horizon - float(tracks.time[last])
        if bound is not None and age > bound:
            message = f"recovery {number} is open for {age:g} s, over {bound:g} s"
        elif bound is None and silence > SILENT_SHARE * tracks.horizon:
            message = f"recovery {number} is open and has no event for {silence:g} s"
        else:
            continue
        violations.append(Violation(INVARIANT, tracks.horizon, tracks.subject(row), message, last))
    return violations
