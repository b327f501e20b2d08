"""The state after a crash of the core, and its continuation by the next core."""

from __future__ import annotations

import numpy as np

from recovery.model import Phase
from sim.history import Event
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Integers, Rows, Tracks, Truths
from sim.measures.tables.recoveries import Incidents

STAGE_OF = {
    Phase.OPENED: Event.RECOVERY_OPENED,
    Phase.GRANTED: Event.RECOVERY_OPENED,
    Phase.STARTED: Event.RECOVERY_STARTED,
    Phase.EXECUTING: Event.RECOVERY_ANALYZED,
    Phase.EXECUTED: Event.RECOVERY_EXECUTED,
    Phase.FAILED: Event.RECOVERY_FAILED,
}
"""The stage of a recovery for each phase in the journal."""
_GOES_ON_AFTER = {
    Event.RECOVERY_OPENED: (Event.RECOVERY_OPENED, Event.RECOVERY_FAILED),  # with another try, which was granted
    Event.RECOVERY_STARTED: (Event.RECOVERY_STARTED, Event.RECOVERY_ANALYZED),
    Event.RECOVERY_ANALYZED: (Event.RECOVERY_ANALYZED, Event.RECOVERY_STARTED),
    Event.RECOVERY_EXECUTED: (Event.RECOVERY_EXECUTED,),
    Event.RECOVERY_FAILED: (Event.RECOVERY_FAILED,),
}
RESUMED_STAGES = np.zeros((256, 256), dtype=bool)
"""Whether a recovery in one stage may be resumed in another."""
for _stage, _befores in _GOES_ON_AFTER.items():
    RESUMED_STAGES[list(_befores), _stage] = True
_STEPS = (Event.STEP_STARTED, Event.STEP_COMPLETED, Event.STEP_FAILED)


def resumed(tracks: Tracks, rows: Rows) -> tuple[Truths, Integers]:
    """Which of these rows resume a recovery, and the stage of each row; for those, the stage in which it continues."""
    is_taken_up = tracks.are(rows, Event.RECOVERY_TAKEN_UP)
    stages = tracks.event[rows].astype(np.int64)
    if is_taken_up.any():
        for phase, stage in STAGE_OF.items():
            stages[is_taken_up & (tracks.detail[rows] == tracks.number(phase.value))] = stage
    return is_taken_up, stages


def interrupted_steps(tracks: Tracks) -> Rows:
    """Rows that start steps which a crash of the core interrupted."""
    crashes = tracks.rows(Event.CORE_CRASHED, Event.CORE_DEPOSED)
    if not len(crashes):
        return np.empty(0, dtype=np.intp)
    rows = tracks.rows(*_STEPS)
    interrupted = []
    for crash in crashes.tolist():
        before = rows[rows < crash][::-1]
        numbers, last = np.unique(tracks.incident[before], return_index=True)
        interrupted.append(before[last[(numbers >= 0) & (tracks.event[before[last]] == Event.STEP_STARTED)]])
    return np.unique(np.concatenate(interrupted))


def not_resumed(tracks: Tracks, incidents: Incidents) -> list[Violation]:
    """Recoveries that a restarted core did not resume, resumed without need, or whose completed steps it repeated."""
    elections, taken = tracks.rows(Event.CORE_ELECTED), tracks.rows(Event.RECOVERY_TAKEN_UP)
    restarts = elections if len(elections) else tracks.rows(Event.CORE_RESTARTED)
    found = []
    for nth, restart in enumerate(restarts.tolist()):
        until = int(restarts[nth + 1]) if nth + 1 < len(restarts) else tracks.size
        heard = set(tracks.incident[taken[(taken > restart) & (taken < until)]].tolist())
        for place in incidents.open_at(restart):
            number = int(incidents.number[place])
            if number not in heard:
                message = f"recovery {number} was open when the core ended, and was not resumed"
                found.append(Violation.at(tracks, restart, "audit_complete", message))
    for row in taken.tolist():
        if not (restarts < row).any():
            message = f"recovery {tracks.incident[row]} was resumed, and no core had ended"
            found.append(Violation.at(tracks, row, "audit_complete", message))
        found += _repeated_steps(tracks, row)
    return found


def _repeated_steps(tracks: Tracks, row: int) -> list[Violation]:
    """Steps completed in the try that is resumed at a row, and started again without a new analysis."""
    number = tracks.incident[row]
    own = tracks.rows(Event.RECOVERY_STARTED, Event.RECOVERY_ANALYZED, *_STEPS)
    own = own[tracks.incident[own] == number]
    event = tracks.event
    tries = own[(own < row) & (event[own] == Event.RECOVERY_STARTED)]
    looks = own[(own > row) & np.isin(event[own], (Event.RECOVERY_STARTED, Event.RECOVERY_ANALYZED))]
    since, until = (int(tries[-1]) if len(tries) else row), (int(looks[0]) if len(looks) else tracks.size)
    done = own[(own > since) & (own < row) & (event[own] == Event.STEP_COMPLETED)]
    begun = own[(own > row) & (own < until) & (event[own] == Event.STEP_STARTED)]
    return [
        Violation.at(
            tracks,
            again,
            "audit_complete",
            f"recovery {number}: step {tracks.word(int(tracks.detail[again]))} was done before the core ended",
        )
        for again in begun[np.isin(tracks.detail[begun], tracks.detail[done])].tolist()
    ]
