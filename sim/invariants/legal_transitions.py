"""A task's status changes only as the model allows."""

from __future__ import annotations

from functools import cache

import numpy as np

from recovery.model import LEGAL_TRANSITIONS, TaskStatus
from sim.history import Event, History
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import ATTEMPT_ENDS, Integers, Rows, Tracks, Truths
from sim.measures.tables.step_functions import running_totals
from sim.measures.tables.task_ownership import queued_by_core

INVARIANT = "legal_transitions"
STATUSES = tuple(TaskStatus)
UNKNOWN = len(STATUSES)
"""The status of a task before it is submitted."""
LEADS_TO = {
    Event.TASK_SUBMITTED: TaskStatus.QUEUED,
    Event.QUEUE_ENTERED: TaskStatus.QUEUED,
    Event.ATTEMPT_STARTED: TaskStatus.RUNNING,
    Event.ATTEMPT_FAILED: TaskStatus.FAILED,
    Event.ATTEMPT_TIMED_OUT: TaskStatus.FAILED,
    Event.ATTEMPT_INTERRUPTED: TaskStatus.BLOCKED,
    Event.TASK_COMPLETED: TaskStatus.COMPLETED,
    Event.TASK_FAILED: TaskStatus.ESCALATED,
    Event.TASK_REJECTED: TaskStatus.REJECTED,
}
DECISIONS = (Event.TASK_SUBMITTED, Event.TASK_COMPLETED, Event.TASK_FAILED, Event.TASK_REJECTED)
OF_ATTEMPTS = (Event.ATTEMPT_STARTED, Event.TASK_COMPLETED, *ATTEMPT_ENDS)


def check(history: History) -> list[Violation]:
    """Changes of status that are not in `recovery.model.LEGAL_TRANSITIONS`.

    The status follows from the events: submitted or queued again by the core, started, failed or timed out, blocked by
    a resource, completed, given up, rejected. A task is running while any of its attempts runs: a failure changes its
    status only when no other attempt runs. Actions under a fenced epoch change nothing, and neither do attempts that
    were starting when the task was finished; a second effect is reported by `exactly_once_effect`.
    """
    tracks = Tracks.of(history)
    parts = tracks.rows_of_some_tasks(*LEADS_TO, Event.ATTEMPT_SUCCEEDED, Event.TASK_FENCED)
    found = [violation for rows in parts for violation in _of(tracks, rows)]
    return sorted(found, key=lambda violation: violation.row)


def _of(tracks: Tracks, rows: Rows) -> list[Violation]:
    """Check some tasks, whose rows are grouped by task."""
    rows = rows[_changes_status(tracks, rows) & ~_fenced(tracks, rows)]
    if not len(rows):
        return []
    status = _status_after()[tracks.event[rows]]
    task = tracks.task[rows]
    previous = np.concatenate(([UNKNOWN], status[:-1]))
    previous[1:][task[1:] != task[:-1]] = UNKNOWN
    suspects = np.flatnonzero(~_legal()[previous, status])
    return [
        Violation.at(tracks, int(rows[place]), INVARIANT, f"{_name(previous[place])} → {_name(status[place])}")
        for place in suspects
        if not _was_on_its_way(tracks, int(rows[place]))
    ]


def _name(status: int) -> str:
    return "unknown" if status == UNKNOWN else STATUSES[status].value


@cache
def _legal() -> Truths:
    """The allowed transitions, including the unknown status; a second completion is not checked here."""
    legal = np.zeros((UNKNOWN + 1, UNKNOWN), dtype=bool)
    for before, after in LEGAL_TRANSITIONS.items():
        legal[STATUSES.index(before), [STATUSES.index(status) for status in after]] = True
    legal[UNKNOWN, STATUSES.index(TaskStatus.QUEUED)] = True
    legal[STATUSES.index(TaskStatus.COMPLETED), STATUSES.index(TaskStatus.COMPLETED)] = True
    return legal


@cache
def _status_after() -> Integers:
    """The number of the status to which each event leads."""
    status = np.full(256, UNKNOWN, dtype=np.int64)
    for event, name in LEADS_TO.items():
        status[event] = STATUSES.index(name)
    return status


def _fenced(tracks: Tracks, rows: Rows) -> Truths:
    """Rows of attempts under an epoch that was already fenced."""
    fences = rows[tracks.are(rows, Event.TASK_FENCED)]
    if not len(fences):
        return np.zeros(len(rows), dtype=bool)
    fence = tracks.latest_before(fences, rows, tracks.task)
    fenced: Truths = (
        tracks.are(rows, *OF_ATTEMPTS)
        & (fence >= 0)
        & (tracks.epoch[rows] <= np.where(fence >= 0, tracks.value[fence], 0))
    )
    return fenced


def _changes_status(tracks: Tracks, rows: Rows) -> Truths:
    """Rows, grouped by task, that change the status of their task, if they are legal."""
    starts = tracks.are(rows, Event.ATTEMPT_STARTED)
    blocked = tracks.are(rows, Event.ATTEMPT_INTERRUPTED)
    blocked &= tracks.detail[rows] == tracks.number("resource_unavailable")
    stops = blocked | tracks.are(rows, Event.ATTEMPT_FAILED, Event.ATTEMPT_TIMED_OUT)
    if stops.any():
        task = tracks.task[rows]
        running = running_totals(task, np.subtract(starts, tracks.are(rows, *ATTEMPT_ENDS), dtype=np.float64))
        end_row = tracks.tasks.end_row[task]
        too_late = (end_row >= 0) & (rows > end_row)
        stops &= (running == 0) & ~too_late
    changes: Truths = tracks.are(rows, *DECISIONS) | starts | queued_by_core(tracks, rows) | stops
    return changes


def _was_on_its_way(tracks: Tracks, row: int) -> bool:
    """Whether an attempt that starts when its task is finished had waited for its needs since before."""
    if tracks.event[row] != Event.ATTEMPT_STARTED:
        return False
    waits = tracks.rows(Event.RESOURCE_AWAITED)
    waits = waits[(tracks.task[waits] == tracks.task[row]) & (tracks.epoch[waits] == tracks.epoch[row])]
    end_row = int(tracks.tasks.end_row[tracks.task[row]])
    return bool(((waits < end_row) & (end_row < row)).any())
