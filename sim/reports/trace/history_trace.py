"""A history as a trace: faults, core, recoveries, agents, queue, resources and network as tracks."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from sim.experiments.runs.provenance import installed_version
from sim.history import Event, History
from sim.measures.metrics.agents import up_changes
from sim.measures.metrics.queue import depth_changes
from sim.measures.tables.event_table import Floats, Rows, Tracks
from sim.measures.tables.ground_truth import AGENT_CHANGES, AGENT_RETURNS
from sim.measures.tables.recoveries import Incidents
from sim.reports.timeline_data import injected, readable
from sim.reports.trace.recovery_tracks import add_recoveries
from sim.reports.trace.trace_events import Lanes, TraceEvents, Track, microseconds

FAULTS, CORE, RECOVERIES, AGENTS, QUEUE, RESOURCES, NETWORK = (
    "faults",
    "core",
    "recoveries",
    "agents",
    "queue",
    "resources",
    "network",
)
DOWN = {Event.AGENT_CRASHED: "crashed", Event.AGENT_HUNG: "hung", Event.AGENT_STOPPED: "stopped"}
INSTANTS = {
    Event.RETRY_GRANTED: (CORE, "retries"),
    Event.RETRY_EXHAUSTED: (CORE, "retries"),
    Event.ALERT_RAISED: (CORE, "alerts"),
    Event.ALERT_CLEARED: (CORE, "alerts"),
    Event.ESCALATION_ACKNOWLEDGED: (CORE, "escalations"),
    Event.ESCALATION_RESOLVED: (CORE, "escalations"),
    Event.RECOVERY_ESCALATED: (CORE, "escalations"),
    Event.RUN_ERROR: (CORE, "errors"),
    Event.MONITOR_FAILED: (CORE, "errors"),
    Event.TASK_FENCED: (CORE, "fences"),
    Event.CHECKPOINT_RESTORED: (CORE, "checkpoints"),
    Event.CHECKPOINT_REJECTED: (CORE, "checkpoints"),
    Event.CHECKPOINT_STALE: (CORE, "checkpoints"),
    Event.TASK_FAILED: (QUEUE, "tasks"),
    Event.TASK_REJECTED: (QUEUE, "tasks"),
    Event.QUEUE_ACK_LOST: (QUEUE, "messages"),
    Event.QUEUE_DELIVERY_LOST: (QUEUE, "messages"),
    Event.QUEUE_DUPLICATED: (QUEUE, "messages"),
    Event.QUEUE_DEAD_LETTERED: (QUEUE, "messages"),
    Event.QUEUE_REPLAYED: (QUEUE, "messages"),
    Event.RESOURCE_SUSPECTED: (RESOURCES, "probes"),
    Event.RESOURCE_CLEARED: (RESOURCES, "probes"),
    Event.RESOURCE_PROBE_FAILED: (RESOURCES, "probes"),
    Event.RESOURCE_LEAKED: (RESOURCES, "leaks"),
    Event.RESOURCE_FOUND: (RESOURCES, "leaks"),
    Event.MESSAGE_LOST: (NETWORK, "messages"),
    Event.SEND_FAILED: (NETWORK, "messages"),
}
"""Events that are instants, and their tracks."""
SPANS = (
    (Event.CORE_CRASHED, (Event.CORE_RESTARTED,), CORE, "core is down"),
    (Event.CORE_ELECTED, (Event.CORE_DEPOSED, Event.CORE_ELECTED), CORE, "leads"),
    (Event.BREAKER_OPENED, (Event.BREAKER_HALF_OPENED, Event.BREAKER_CLOSED), CORE, "breaker is open"),
    (Event.AGENT_SUSPECTED, (Event.AGENT_CLEARED,), CORE, "suspected"),
    (Event.QUEUE_BLOCKED, (Event.QUEUE_UNBLOCKED,), QUEUE, "blocked"),
    (Event.LINK_CUT, (Event.LINK_HEALED,), NETWORK, "cut"),
)
"""Events that begin and end a state of a subject: process, and name of the state."""
UNITS = (
    ("in use", Event.RESOURCE_ALLOCATED, Event.RESOURCE_RELEASED),
    ("out of service", Event.RESOURCE_UNAVAILABLE, Event.RESOURCE_AVAILABLE),
)


def trace_of(history: History, window: tuple[float, float] | None = None) -> dict[str, Any]:
    """The trace of a run, as plain data; with a window (s), of a part of it. Raises HistoryNotKept."""
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    trace = TraceEvents()
    for name in (FAULTS, CORE, RECOVERIES, AGENTS, QUEUE, RESOURCES, NETWORK):
        trace.process(name)
    faults = _add_faults(trace, tracks)
    attempts = _add_attempts(trace, tracks)
    _add_outages(trace, tracks)
    add_recoveries(trace, tracks, incidents, faults, attempts)
    _add_waits(trace, tracks)
    for begins, ends, process, name in SPANS:
        _add_spans(trace, tracks, begins, ends, process, name)
    _add_instants(trace, tracks)
    _add_units(trace, tracks)
    _add_counters(trace, tracks, incidents)
    only = None if window is None else (microseconds(window[0]), microseconds(window[1]))
    meta = tracks.meta
    about = {"scenario": meta.get("scenario", ""), "seed": meta.get("seed", ""), "version": installed_version()}
    return {"traceEvents": trace.events(only), "displayTimeUnit": "ms", "otherData": about}


def _add_faults(trace: TraceEvents, tracks: Tracks) -> dict[tuple[int, str], Track]:
    """Slices of the injected faults; their tracks by begin (µs) and target."""
    lanes = Lanes(trace, FAULTS, "injected")
    found: dict[tuple[int, str], Track] = {}
    for begin, end, name in sorted(injected(tracks)):
        span = microseconds(begin), microseconds(end)
        track = lanes.place(*span)
        trace.slice(track, name, *span)
        found[span[0], name.partition(": ")[2]] = track
    return found


def _add_attempts(trace: TraceEvents, tracks: Tracks) -> list[Track]:
    """A slice for each attempt, on tracks of its agent; the track of each attempt."""
    attempts = tracks.attempts
    lanes: dict[int, Lanes] = {}
    placed = []
    outcome = np.where(attempts.end_row >= 0, tracks.event[attempts.end_row], 0).tolist()
    detail = np.where(attempts.end_row >= 0, tracks.detail[attempts.end_row], 0).tolist()
    for agent in range(tracks.agents):
        trace.track(AGENTS, f"agent {agent}")
    columns = (attempts.task, attempts.agent, attempts.epoch, attempts.started, attempts.ended)
    for place, (task, agent, epoch, begin, ended) in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
        span = microseconds(begin), microseconds(min(ended, tracks.horizon))
        if agent not in lanes:
            lanes[agent] = Lanes(trace, AGENTS, f"agent {agent}")
        track = lanes[agent].place(*span)
        how = "runs" if not outcome[place] else Event(outcome[place]).label.partition(".")[2].replace("_", " ")
        why = tracks.word(detail[place])
        trace.slice(track, f"task {task}", *span, task=task, epoch=epoch, end=f"{how}: {why}" if why else how)
        placed.append(track)
    return placed


def _add_outages(trace: TraceEvents, tracks: Tracks) -> None:
    """When each agent was down in truth."""
    down: dict[int, tuple[int, str]] = {}
    rows = tracks.rows(*AGENT_CHANGES)
    columns = (tracks.agent[rows].tolist(), tracks.event[rows].tolist(), tracks.time[rows].tolist())

    def end(agent: int, at: int) -> None:
        if agent in down:
            begun, name = down.pop(agent)
            trace.slice(trace.track(AGENTS, f"agent {agent}: down"), name, begun, at)

    for agent, event, time in zip(*columns, strict=True):
        end(agent, microseconds(time))
        if event not in AGENT_RETURNS:
            down[agent] = microseconds(time), DOWN[Event(event)]
    for agent in list(down):
        end(agent, microseconds(tracks.horizon))


def _add_waits(trace: TraceEvents, tracks: Tracks) -> None:
    """Each time that a task was queued, as an asynchronous slice."""
    rows = tracks.rows(Event.QUEUE_ENTERED, Event.QUEUE_DELIVERED, Event.QUEUE_WITHDRAWN, Event.QUEUE_DEAD_LETTERED)
    queued: dict[int, list[tuple[int, str]]] = {}
    columns = (tracks.task[rows], tracks.event[rows], tracks.detail[rows], tracks.time[rows])
    for task, event, detail, time in zip(*(each.tolist() for each in columns), strict=True):
        if event == Event.QUEUE_ENTERED:
            queued.setdefault(task, []).append((microseconds(time), tracks.word(detail)))
        elif queued.get(task):
            begun, why = queued[task].pop(0)
            trace.asynchronous(QUEUE, "waits", begun, microseconds(time), task=task, entered=why)
    for task, left in queued.items():
        for begun, why in left:
            trace.asynchronous(QUEUE, "waits", begun, microseconds(tracks.horizon), task=task, entered=why)


def _add_spans(
    trace: TraceEvents, tracks: Tracks, begins: Event, ends: tuple[Event, ...], process: str, name: str
) -> None:
    """The states of subjects between events; a state without an end lasts until the end of the run."""
    running: dict[str, int] = {}
    lanes = Lanes(trace, process, name)
    found: list[tuple[int, int, str]] = []
    for row in tracks.rows(*sorted({begins, *ends})).tolist():
        subject, at = tracks.subject(row), microseconds(float(tracks.time[row]))
        key = "" if begins == Event.CORE_ELECTED else subject  # there is one leader at a time
        if tracks.event[row] in ends and key in running:
            found.append((running.pop(key), at, key or subject))
        if tracks.event[row] == begins:
            running.setdefault(key, at)
    found += [(begun, microseconds(tracks.horizon), subject) for subject, begun in running.items()]
    for begun, at, subject in sorted(found):
        trace.slice(lanes.place(begun, at), f"{name}: {readable(subject)}" if subject else name, begun, at)


def _add_instants(trace: TraceEvents, tracks: Tracks) -> None:
    for row in tracks.rows(*sorted(INSTANTS)).tolist():
        event = Event(int(tracks.event[row]))
        value = float(tracks.value[row])
        trace.instant(
            trace.track(*INSTANTS[event]),
            f"{event.label.replace('.', ' ').replace('_', ' ')}: {readable(tracks.subject(row))}".removesuffix(": "),
            microseconds(float(tracks.time[row])),
            detail=tracks.word(int(tracks.detail[row])),
            value=value if isfinite(value) else None,
        )


def _add_units(trace: TraceEvents, tracks: Tracks) -> None:
    """Counters of units of each pool, and slices in which some are out of service."""
    for what, more, less in UNITS:
        rows = tracks.rows(more, less)
        for pool in np.unique(tracks.about[rows]).tolist():
            of_pool = rows[tracks.about[rows] == pool]
            changes = np.where(tracks.event[of_pool] == more, 1.0, -1.0) * tracks.value[of_pool]
            times, levels = _times(tracks, of_pool), np.cumsum(changes).tolist()
            name = f"{tracks.word(pool)}: {what}"
            trace.counter(RESOURCES, name, [(0, 0.0), *zip(times, levels, strict=True)])
            if more == Event.RESOURCE_UNAVAILABLE:
                _add_positive(trace, trace.track(RESOURCES, name), name, times, levels, microseconds(tracks.horizon))


def _add_positive(trace: TraceEvents, track: Track, name: str, times: list[int], levels: list[float], end: int) -> None:
    begun = None
    for at, level in zip(times, levels, strict=True):
        if level > 0 and begun is None:
            begun = at
        elif level <= 0 and begun is not None:
            trace.slice(track, name, begun, at)
            begun = None
    if begun is not None:
        trace.slice(track, name, begun, end)


def _times(tracks: Tracks, rows: Rows) -> list[int]:
    return [microseconds(time) for time in tracks.time[rows].tolist()]


def _add_counters(trace: TraceEvents, tracks: Tracks, incidents: Incidents) -> None:
    def count(process: str, name: str, initial: float, times: Floats, changes: Floats) -> None:
        levels = (initial + np.cumsum(changes)).tolist()
        trace.counter(process, name, [(0, initial), *zip(map(microseconds, times.tolist()), levels, strict=True)])

    attempts = tracks.attempts
    count(QUEUE, "queued tasks", 0.0, *depth_changes(tracks))
    count(AGENTS, "tasks in service", 0.0, *_balance(attempts.started, attempts.ended))
    count(AGENTS, "agents up", float(tracks.agents), *up_changes(tracks))
    count(RECOVERIES, "open recoveries", 0.0, *_balance(incidents.opened, incidents.ended))
    granted = tracks.time[tracks.rows(Event.RETRY_GRANTED)]
    count(CORE, "retries granted", 0.0, granted, np.ones(len(granted)))


def _balance(begins: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Times and changes of the number of intervals that are open."""
    over = ends[np.isfinite(ends)]
    times = np.concatenate((begins, over))
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate((np.ones(len(begins)), -np.ones(len(over))))[order]
