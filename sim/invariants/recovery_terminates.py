"""Every recovery ends: verified, escalated or dismissed. It may wait for what is not the core's fault."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.retry_bound import most_retries
from sim.invariants.violation import Violation
from sim.invariants.waits import Waits
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents

INVARIANT = "recovery_terminates"
SILENT_SHARE = 0.5
"""The fraction of a run for which an open recovery may have no event, unless the run has its own bound."""
FAILED_TRIES = 20
"""The number of failed tries from which a recovery without a limit on its retries does not end."""


def check(history: History) -> list[Violation]:
    """Recoveries that are open at the end of the run, and do not end because of the core.

    With `meta["recovery_bound"]` (seconds): those open for longer. Without: those without an event for more than half
    of the run, apart from the time for which they wait as configured, or for what the scenario took away
    (`sim.invariants.waits`); and those that have failed `FAILED_TRIES` times or more, with no limit or beyond it.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    still_open = np.flatnonzero(incidents.end_row < 0)
    if not len(still_open):
        return []
    bound = tracks.meta.get("recovery_bound")
    event_rows = np.flatnonzero(np.isin(tracks.incident, incidents.number[still_open]))
    latest = dict(zip(tracks.incident[event_rows].tolist(), event_rows.tolist(), strict=True))
    waits = Waits(tracks, incidents, latest)
    violations = []
    for place in still_open:
        row, number = int(incidents.row[place]), int(incidents.number[place])
        last = latest[number]
        if bound is not None:
            age = tracks.horizon - float(tracks.time[row])
            message = f"recovery {number} is open for {age:g} s, over {bound:g} s" if age > bound else ""
        else:
            message = _blamed(tracks, number, int(incidents.kind[place]), waits.until(number))
        if not message:
            continue
        violations.append(Violation(INVARIANT, tracks.horizon, tracks.subject(row), message, last))
    return violations


def _blamed(tracks: Tracks, number: int, kind: int, waits_until: float) -> str:
    """Why an open recovery counts as one that does not end; empty: it does not."""
    silence = tracks.horizon - waits_until
    if silence > SILENT_SHARE * tracks.horizon:
        return f"recovery {number} is open and has no event for {silence:g} s, and waits for nothing"
    failed = int(np.sum(tracks.incident[tracks.rows(Event.RECOVERY_FAILED)] == number))
    most = most_retries(tracks.meta.get("conditions", {}).get(tracks.word(kind)))
    if failed >= FAILED_TRIES and (most is None or failed > most + 1):
        return f"recovery {number} is open after {failed} failed tries, and its retries have no limit"
    return ""
