"""Outcomes, waits and sojourn times of tasks, and their number over time."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Rows, Tracks, Truths
from sim.measures.tables.step_functions import overlap
from sim.measures.tables.task_ownership import lost
from sim.stats.samples import Sample

WAITING = (Event.QUEUE_ENTERED, Event.QUEUE_DELIVERED)
NOT_WAITING = (
    Event.ATTEMPT_STARTED,
    Event.ATTEMPT_SKIPPED,
    Event.QUEUE_WITHDRAWN,
    Event.QUEUE_DEAD_LETTERED,
)


def measure_tasks(history: History) -> Measured:
    """The `tasks.*` metrics.

    Over the tasks submitted at or after the warm-up: `.submitted` = `.completed` + `.failed` + `.rejected` +
    `.unfinished`, and `.lost`, the unfinished tasks that no agent, queue or recovery holds; `.wait.*` = first start −
    submitted (s), `.wait_probability` = share of the started ones with wait > 0, `.sojourn.*` = completed − submitted
    (s). Tasks that the end of the run cuts off are censored observations of both. Tasks that failed or were rejected
    have no sojourn time, and no wait unless they started.

    The sample behind `tasks.within(DURATION)` has every submitted task. One that failed, was rejected or is lost was
    not completed in all the time from its submission to the end of the run. As an unfinished one, it is censored then.
    The Kaplan–Meier estimate of such a sample is that of the cumulative incidence of completions (J. P. Fine and R. J.
    Gray, JASA 94, 1999, for known censoring times).

    Over the window from the warm-up to the end: `.throughput` = completions ÷ window (1/s); `.in_system.mean` = Σ
    time from submission to end, of accepted tasks ÷ window; `.in_queue.mean` = Σ time queued or waiting for a start ÷
    window.

    All of them also for each kind of tasks, as `tasks.chat.sojourn`.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "tasks", None)
    for kind, of_kind in tracks.task_kinds.items():
        measured |= _measure(tracks, f"tasks.{kind}", of_kind)
    return measured


def _measure(tracks: Tracks, name: str, among: Truths | None) -> dict[str, float | Sample | None]:
    """The metrics of some tasks (None: of all), whose names begin with `name`."""
    tasks, window = tracks.tasks, tracks.window
    if among is not None:
        tasks = tasks.among(among)
    cohort = tasks.cohort
    started = ~np.isnan(tasks.first_start)
    wait = (tasks.first_start - tasks.submitted)[cohort & started]
    so_far = tracks.horizon - tasks.submitted
    unfinished = tasks.became(0)
    completed = tasks.became(Event.TASK_COMPLETED)
    completions = (tasks.outcome == Event.TASK_COMPLETED) & (tasks.ended >= tracks.start) & (tasks.ended <= tracks.end)
    accepted = tasks.accepted
    return {
        f"{name}.submitted": float(np.count_nonzero(cohort)),
        f"{name}.completed": float(np.count_nonzero(completed)),
        f"{name}.failed": float(np.count_nonzero(tasks.became(Event.TASK_FAILED))),
        f"{name}.rejected": float(np.count_nonzero(tasks.became(Event.TASK_REJECTED))),
        f"{name}.lost": float(np.count_nonzero(cohort[lost(tracks)])),
        f"{name}.unfinished": float(np.count_nonzero(unfinished)),
        f"{name}.throughput": float(np.count_nonzero(completions)) / window if window else None,
        f"{name}.wait": Sample.of(wait, so_far[unfinished & ~started]),
        f"{name}.sojourn": Sample.of((tasks.ended - tasks.submitted)[completed], so_far[unfinished]),
        f"{name}.within": Sample.of((tasks.ended - tasks.submitted)[completed], so_far[cohort & ~completed]),
        f"{name}.wait_probability": float(np.mean(wait > 0)) if len(wait) else None,
        f"{name}.in_system.mean": overlap(tasks.submitted[accepted], tasks.ended[accepted], tracks.start, tracks.end)
        / window
        if window
        else None,
        f"{name}.in_queue.mean": _waiting_seconds(tracks, among) / window if window else None,
    }


def _waiting_seconds(tracks: Tracks, among: Truths | None) -> float:
    """Total time within the window in which tasks waited for their start: queued, or delivered and not yet started.

    A task waits from its entry into the queue until an attempt starts, or until it is withdrawn, dead-lettered, found
    finished or ends, regardless of events in between. A task that is queued twice (a duplicate) counts once.
    """
    some = tracks.rows_of_some_tasks(*WAITING, *NOT_WAITING)
    return sum(_seconds_of(tracks, rows if among is None else rows[among[tracks.task[rows]]]) for rows in some)


def _seconds_of(tracks: Tracks, rows: Rows) -> float:
    """Check some tasks, whose rows are grouped by task."""
    task = tracks.task[rows]
    until = np.append(tracks.time[rows[1:]], tracks.end)
    until[np.append(task[1:] != task[:-1], True)] = tracks.end
    event = tracks.event[rows]
    waits = (event == Event.QUEUE_ENTERED) | (event == Event.QUEUE_DELIVERED)
    until = np.minimum(until, tracks.tasks.ended[task])
    return overlap(tracks.time[rows[waits]], until[waits], tracks.start, tracks.end)
