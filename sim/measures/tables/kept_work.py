"""Which work of each attempt is kept: it contributes to an accepted effect, or still can at the end of the run."""

from __future__ import annotations

import numpy as np

from sim.history import Event
from sim.measures.tables.event_table import NOWHERE, Rows, Tracks, Truths


def kept_until(tracks: Tracks) -> Rows:
    """For each attempt the last row up to which its work is kept; `NOWHERE`: nothing is kept.

    All work is kept of the attempt whose effect was accepted, if a client that waits gets the answer. All work is kept
    of an attempt that runs at the end of the run, unless its task is finished, its epoch is fenced or its client has
    left. Where a kept attempt started from a checkpoint, or resumed interrupted work, the work is kept up to there of
    the attempt that wrote the checkpoint or was interrupted, and so on. An unfinished task without a running attempt
    keeps what its next attempt would start from: its latest checkpoint or resumed work.
    """
    attempts, tasks = tracks.attempts, tracks.tasks
    kept = np.full(len(attempts.row), NOWHERE, dtype=np.intp)
    wanted = _wanted(tracks)
    done = tracks.rows(Event.TASK_COMPLETED)
    done = done[wanted[tracks.task[done]]]
    accepted = tracks.attempt_at(done)
    accepted = accepted[accepted != NOWHERE]
    running = np.flatnonzero((attempts.end_row == NOWHERE) & (tasks.outcome[attempts.task] == 0))
    fenced = tracks.rows(Event.TASK_FENCED)
    fence = np.full(tracks.task_count, -1.0)
    np.maximum.at(fence, tracks.task[fenced], tracks.value[fenced])
    running = running[wanted[attempts.task[running]] & (attempts.epoch[running] > fence[attempts.task[running]])]
    kept[accepted] = kept[running] = tracks.size
    sources = _sources(tracks)
    if not len(sources):
        return kept
    origin = _origins(tracks, sources)
    is_open = wanted & (tasks.outcome == 0)
    is_open[attempts.task[running]] = False
    latest = tracks.last_by_task(sources)
    reached = np.concatenate((origin[accepted], origin[running], latest[is_open]))
    while len(reached := reached[reached != NOWHERE]):
        source = tracks.attempt_at(reached)
        reached, source = reached[source != NOWHERE], source[source != NOWHERE]
        further = reached > kept[source]
        np.maximum.at(kept, source, reached)
        reached = origin[np.unique(source[further])]
    return kept


def _wanted(tracks: Tracks) -> Truths:
    """Tasks whose effect somebody waits for, or has got. Without clients that wait these are all tasks."""
    if not tracks.meta.get("clients"):
        return np.ones(tracks.task_count, dtype=bool)
    answered = np.zeros(tracks.task_count, dtype=bool)
    answered[tracks.task[tracks.rows(Event.CLIENT_ANSWERED)]] = True
    over = np.zeros(tracks.task_count, dtype=bool)
    over[tracks.task[tracks.rows(Event.CLIENT_TIMED_OUT)]] = True
    counts_late = np.full(tracks.task_count, bool(tracks.meta.get("late_answers")))
    for kind, accepts in tracks.meta.get("late_answers_by_kind", {}).items():
        counts_late[tracks.tasks_of_kind(kind)] = accepts
    if counts_late.any():
        requests = tracks.requests
        ended = tracks.task[tracks.rows(Event.CLIENT_ANSWERED, Event.CLIENT_ABANDONED)]
        over = np.where(counts_late, np.isin(requests, requests[ended]), over)
    wanted: Truths = answered | ((tracks.tasks.outcome == 0) & ~over)
    return wanted


def _sources(tracks: Tracks) -> Rows:
    """Rows with work from which a later attempt may start: checkpoints, and interruptions of work that is resumed."""
    resumes = tracks.meta.get("interrupted") == "resume"
    of_kinds = tracks.meta.get("interrupted_by_kind", {})
    if not of_kinds:
        return tracks.rows(Event.CHECKPOINT_WRITTEN, *((Event.ATTEMPT_INTERRUPTED,) if resumes else ()))
    rows = tracks.rows(Event.CHECKPOINT_WRITTEN, Event.ATTEMPT_INTERRUPTED)
    task_resumes = np.full(tracks.task_count, resumes)
    for kind, what in of_kinds.items():
        task_resumes[tracks.tasks_of_kind(kind)] = what == "resume"
    kept: Rows = rows[(tracks.event[rows] == Event.CHECKPOINT_WRITTEN) | task_resumes[tracks.task[rows]]]
    return kept


def _origins(tracks: Tracks, sources: Rows) -> Rows:
    """For each attempt the latest of `sources` before it with the progress at which it started, else `NOWHERE`."""
    attempts = tracks.attempts
    origin = np.full(len(attempts.row), NOWHERE, dtype=np.intp)
    later = np.flatnonzero(tracks.value[attempts.row] > 0)
    if not len(later):
        return origin
    is_concerned = np.zeros(tracks.task_count, dtype=bool)
    is_concerned[attempts.task[later]] = True
    rows = np.concatenate((sources[is_concerned[tracks.task[sources]]], attempts.row[later]))
    rows = rows[np.argsort(rows)]
    order = np.lexsort((rows, tracks.value[rows], tracks.task[rows]))  # of equal task and progress, in order of time
    rows = rows[order]
    is_source = tracks.event[rows] != Event.ATTEMPT_STARTED
    place = np.maximum.accumulate(np.where(is_source, np.arange(len(rows)), NOWHERE))
    found = rows[np.maximum(place, 0)]
    same = (place >= 0) & (tracks.task[found] == tracks.task[rows]) & (tracks.value[found] == tracks.value[rows])
    attempt = tracks.attempt_at(rows[~is_source])
    origin[attempt] = np.where(same, found, NOWHERE)[~is_source]
    return origin
