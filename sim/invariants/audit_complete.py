"""Every recovery is recorded from its opening to its end, in order, and every reported failure has a recovery."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.invariants.core_restarts import RESUMED_STAGES, interrupted_steps, not_resumed, resumed
from sim.invariants.violation import Violation
from sim.measures.metrics.detection import covered_by_recovery
from sim.measures.tables.event_table import Rows, Tracks, Truths
from sim.measures.tables.recoveries import STAGES, Incidents, invalid_ends, task_faults
from sim.measures.tables.step_functions import running_totals

INVARIANT = "audit_complete"
STEPS = (Event.STEP_STARTED, Event.STEP_COMPLETED, Event.STEP_FAILED)
RETRIES = (Event.RETRY_GRANTED, Event.RETRY_EXHAUSTED)
ASIDE = (
    Event.STEP_UNDONE,
    Event.STEP_UNDO_FAILED,
    Event.RECOVERY_PACED,
    Event.RECOVERY_RESUMED,
    Event.RECOVERY_TAKEN_UP,
)
_CUT_SHORT = (Event.RECOVERY_FAILED, Event.RECOVERY_ESCALATED, Event.RECOVERY_DISMISSED)
MAY_FOLLOW = {
    Event.RECOVERY_OPENED: (Event.RECOVERY_STARTED, *_CUT_SHORT),
    Event.RECOVERY_STARTED: (Event.RECOVERY_ANALYZED, *_CUT_SHORT),
    Event.RECOVERY_ANALYZED: (Event.RECOVERY_EXECUTED, *_CUT_SHORT),
    Event.RECOVERY_EXECUTED: (Event.RECOVERY_VERIFIED, *_CUT_SHORT),
    Event.RECOVERY_FAILED: (Event.RECOVERY_STARTED, *_CUT_SHORT),
}
"""The stages that may follow each stage of a recovery, from its opening; none follows its end."""
_FOLLOWS = np.zeros((256, 256), dtype=bool)
"""Whether a stage may follow another one, or 0: none."""
_FOLLOWS[0, Event.RECOVERY_OPENED] = True
for _stage, _followers in MAY_FOLLOW.items():
    _FOLLOWS[_stage, list(_followers)] = True


def check(history: History) -> list[Violation]:
    """Gaps and wrong order in the audit trail.

    The stages of a recovery follow each other according to `MAY_FOLLOW`; its steps, retries and waits lie between its
    opening and its end; each started step has an outcome, unless the recovery is open at the end of the run. A failed
    attempt that was reported to the core (the queue has settled the task since) has a recovery, unless the attempt was
    fenced or a recovery of its task or agent was already open. A task queued for a retry was granted one before.

    A core that is started after a crash resumes every open recovery in its stage, and no other; steps that the crash
    interrupted need no outcome, and completed steps are not repeated.
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    found = _stages(tracks) + _outside(tracks, incidents) + _steps(tracks, incidents)
    found += _unrecorded_failures(tracks, incidents) + _unrecorded_retries(tracks)
    found += not_resumed(tracks, incidents)
    return sorted(found, key=lambda violation: violation.row)


def _by_incident(tracks: Tracks, *events: int) -> Rows:
    rows = tracks.rows(*events)
    if not len(rows):
        return rows
    rows = rows[tracks.incident[rows] >= 0]
    return rows[np.argsort(tracks.incident[rows], kind="stable")]


def _stages(tracks: Tracks) -> list[Violation]:
    rows = _by_incident(tracks, *STAGES, Event.RECOVERY_TAKEN_UP)
    if not len(rows):
        return []
    resumes, stages = resumed(tracks, rows)
    number = tracks.incident[rows]
    previous = np.concatenate(([0], stages[:-1]))
    previous[1:][number[1:] != number[:-1]] = 0
    may_come = _FOLLOWS[previous, stages]
    if resumes.any():
        may_come = np.where(resumes, RESUMED_STAGES[previous, stages], may_come)
        was_analyzed = np.concatenate(([False], resumes[:-1])) & (previous == Event.RECOVERY_ANALYZED)
        may_come |= was_analyzed & (stages == Event.RECOVERY_ANALYZED)  # it was analyzed again
    return [
        Violation.at(
            tracks,
            int(rows[place]),
            INVARIANT,
            f"recovery {number[place]}: {Event(int(tracks.event[rows[place]])).label} "
            + (f"after {Event(int(previous[place])).label}" if previous[place] else "before it was opened"),
        )
        for place in np.flatnonzero(~may_come)
    ]


def _outside(tracks: Tracks, incidents: Incidents) -> list[Violation]:
    """Events of a recovery that is not open."""
    rows = _by_incident(tracks, *STEPS, *RETRIES, *ASIDE)
    if not len(rows):
        return []
    place = _places(tracks, incidents, rows)
    known = place >= 0
    inside = np.zeros(len(rows), dtype=bool)
    opened, ended = incidents.row[place[known]], incidents.end_row[place[known]]
    inside[known] = (rows[known] > opened) & ((ended < 0) | (rows[known] < ended))
    return [
        Violation.at(
            tracks,
            row,
            INVARIANT,
            f"recovery {tracks.incident[row]}: {Event(int(tracks.event[row])).label} while it is not open",
        )
        for row in rows[~inside].tolist()
    ]


def _places(tracks: Tracks, incidents: Incidents, rows: Rows) -> Rows:
    """The index in `incidents` of each row's recovery, -1 for one that was never opened."""
    if not len(rows) or not len(incidents):
        return np.full(len(rows), -1, dtype=np.intp)
    order = np.argsort(incidents.number, kind="stable")
    numbers = incidents.number[order]
    place = np.minimum(np.searchsorted(numbers, tracks.incident[rows]), len(numbers) - 1)
    return np.where(numbers[place] == tracks.incident[rows], order[place], -1)


def _steps(tracks: Tracks, incidents: Incidents) -> list[Violation]:
    """Steps without an outcome, and outcomes without a step."""
    rows = _by_incident(tracks, *STEPS)
    if not len(rows):
        return []
    interrupted = interrupted_steps(tracks)
    rows = rows[~np.isin(rows, interrupted)] if len(interrupted) else rows
    if not len(rows):
        return []
    command = tracks.incident[rows].astype(np.int64) * (int(tracks.detail[rows].max()) + 1) + tracks.detail[rows]
    order = np.argsort(command, kind="stable")
    rows, command = rows[order], command[order]
    starts = tracks.are(rows, Event.STEP_STARTED)
    running = running_totals(command, np.where(starts, 1.0, -1.0))
    place = _places(tracks, incidents, rows)
    over: Truths = (place >= 0) & (incidents.end_row[place] >= 0) if len(incidents) else np.zeros(len(rows), dtype=bool)
    last = np.append(command[1:] != command[:-1], True)
    unfinished = last & (running > 0) & over
    return [
        Violation.at(
            tracks,
            row,
            INVARIANT,
            f"recovery {tracks.incident[row]}: step {tracks.word(int(tracks.detail[row]))} {what}",
        )
        for chosen, what in ((unfinished, "has no outcome"), (running < 0, "has an outcome but was never started"))
        for row in rows[chosen].tolist()
    ]


def _unrecorded_failures(tracks: Tracks, incidents: Incidents) -> list[Violation]:
    rows = task_faults(tracks)
    if not len(rows):
        return []
    rows = rows[~np.isin(rows, incidents.onset_row)]
    if not len(rows):
        return []
    rows = rows[~invalid_ends(tracks, rows)]
    settled, started = tracks.rows(Event.QUEUE_SETTLED), tracks.rows(Event.ATTEMPT_STARTED)
    violations = []
    for row in rows.tolist():
        of_task = tracks.task[row]
        reported = settled[(tracks.task[settled] == of_task) & (settled > row)][:1]
        again = started[(tracks.task[started] == of_task) & (started > row)][:1]
        if len(reported) and (not len(again) or reported < again) and not covered_by_recovery(tracks, incidents, row):
            message = f"{Event(int(tracks.event[row])).label} was reported to the core, no recovery was opened"
            violations.append(Violation.at(tracks, row, INVARIANT, message))
    return violations


def _unrecorded_retries(tracks: Tracks) -> list[Violation]:
    entered = tracks.rows(Event.QUEUE_ENTERED)
    retried = entered[tracks.detail[entered] == tracks.number("retry")]
    if not len(retried):
        return []
    rows = tracks.by_task(np.sort(np.append(retried, tracks.rows(Event.RETRY_GRANTED))))
    granted = tracks.are(rows, Event.RETRY_GRANTED)
    left = running_totals(tracks.task[rows], np.where(granted, 1.0, -1.0))
    return [
        Violation.at(tracks, row, INVARIANT, "queued for a retry that was not granted")
        for row in rows[(left < 0) & ~granted].tolist()
    ]
