"""The owner of a task: the queue, a running attempt, or an open recovery. A task without an owner is lost."""

from __future__ import annotations

import numpy as np

from sim.history import Event
from sim.measures.tables.event_table import Rows, Tracks, Truths
from sim.measures.tables.recoveries import Incidents

LEASE_EVENTS = (Event.QUEUE_DELIVERED, Event.QUEUE_ACKED, Event.QUEUE_SETTLED, Event.QUEUE_DEAD_LETTERED)
BY_THE_QUEUE = ("submitted", "redelivery", "duplicate", "undelivered")
"""Reasons for which the queue itself enqueues a task; for all others the recovery core does."""
LEAVING_LINE = (Event.QUEUE_DELIVERED, Event.QUEUE_WITHDRAWN)


def queued_by_core(tracks: Tracks, rows: Rows) -> Truths:
    """Which of these rows enqueue a task at the request of the recovery core."""
    by_core: Truths = tracks.are(rows, Event.QUEUE_ENTERED)
    detail = tracks.detail[rows]
    for reason in BY_THE_QUEUE:
        by_core &= detail != tracks.number(reason)
    return by_core


def held_by_queue(tracks: Tracks) -> Truths:
    """Tasks that are queued at the end, or were delivered and neither acknowledged nor settled since.

    A delivery whose attempt is fenced is neither acknowledged nor settled. Without a timeout of acknowledgements
    (`meta["ack_timeout"]` None), the queue never delivers such a task again, and does not hold it.
    """
    standing = tracks.count_by_task(Event.QUEUE_ENTERED) - tracks.count_by_task(*LEAVING_LINE)
    dead = tracks.last_by_task(tracks.rows(Event.QUEUE_DEAD_LETTERED))
    entered = tracks.last_by_task(tracks.rows(Event.QUEUE_ENTERED))
    in_line = (standing > 0) & (entered > dead)
    last = tracks.last_by_task(tracks.rows(*LEASE_EVENTS))
    leased = last >= 0
    leased[leased] = tracks.are(last[leased], Event.QUEUE_DELIVERED)
    held: Truths = in_line | (leased & ~_fenced_for_good(tracks))
    return held


def _fenced_for_good(tracks: Tracks) -> Truths:
    """Tasks whose last delivery has an attempt that is fenced, if the queue waits for its acknowledgement for ever."""
    if tracks.meta.get("ack_timeout", 0.0) is not None:
        return np.zeros(tracks.task_count, dtype=bool)
    started = tracks.last_by_task(tracks.rows(Event.ATTEMPT_STARTED))
    delivered = tracks.last_by_task(tracks.rows(Event.QUEUE_DELIVERED))
    fenced: Truths = (started > delivered) & (tracks.epoch[started] <= last_fence(tracks))
    return fenced


def last_fence(tracks: Tracks) -> Rows:
    """The highest fenced epoch of each task at the end, -1 without a fence."""
    rows = tracks.last_by_task(tracks.rows(Event.TASK_FENCED))
    fenced = np.full(tracks.task_count, -1, dtype=np.intp)
    fenced[rows >= 0] = np.nan_to_num(tracks.value[rows[rows >= 0]], nan=-1.0).astype(np.intp)
    return fenced


def being_worked_on(tracks: Tracks) -> Truths:
    """Tasks with a running attempt at the end that is not fenced."""
    attempts = tracks.attempts
    running = (attempts.end_row < 0) & (attempts.epoch > last_fence(tracks)[attempts.task])
    working = np.zeros(tracks.task_count, dtype=bool)
    working[attempts.task[running]] = True
    return working


def last_agent(tracks: Tracks) -> Rows:
    """The agent to which each task was delivered last, or that started it last; -1 without one."""
    rows = tracks.last_by_task(tracks.rows(Event.QUEUE_DELIVERED, Event.ATTEMPT_STARTED))
    agent = np.full(tracks.task_count, -1, dtype=np.intp)
    agent[rows >= 0] = tracks.agent[rows[rows >= 0]]
    return agent


def being_recovered(tracks: Tracks, incidents: Incidents) -> Truths:
    """Tasks with an open recovery at the end, of their own or of the agent that had them last."""
    still_open = incidents.end_row < 0
    recovering = np.zeros(tracks.task_count, dtype=bool)
    recovering[incidents.task[still_open & (incidents.task >= 0)]] = True
    agents = incidents.agent[still_open & (incidents.agent >= 0)]
    recovering |= np.isin(last_agent(tracks), agents)
    return recovering


def lost(tracks: Tracks) -> Rows:
    """Numbers of the accepted, unfinished tasks without an owner at the end of the run."""
    return tracks.derive(_lost)


def _lost(tracks: Tracks) -> Rows:
    unfinished = tracks.tasks.accepted & (tracks.tasks.outcome == 0)
    if unfinished.any():
        unfinished &= ~held_by_queue(tracks)
    if unfinished.any():
        unfinished &= ~being_worked_on(tracks)
        unfinished &= ~being_recovered(tracks, Incidents.of(tracks))
    return np.flatnonzero(unfinished)
