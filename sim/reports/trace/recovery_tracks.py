"""Recoveries in a trace: their failures, detections, phases and steps, and the arrows to the retries."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from recovery.audit import RecoveryOutcome
from sim.history import Event
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import OUTCOME_OF, PHASE_AFTER, Incidents, phases
from sim.reports.timeline_data import readable
from sim.reports.trace.trace_events import Lanes, TraceEvents, Track, microseconds

STEPS = (Event.STEP_STARTED, Event.STEP_COMPLETED, Event.STEP_FAILED)
Span = tuple[str, int, int]
"""Name, begin and end in microseconds."""


def add_recoveries(
    trace: TraceEvents,
    tracks: Tracks,
    incidents: Incidents,
    faults: Mapping[tuple[int, str], Track],
    attempts: Sequence[Track],
) -> None:
    """A slice for each recovery from its fault to its end, with its phases and steps inside, and an arrow from the
    fault to the detection, the recovery and the first attempt after it. `faults` are the tracks of injected faults by
    begin and target, `attempts` those of the attempts.
    """
    detections, lanes = Lanes(trace, "core", "detections"), Lanes(trace, "recoveries", "recovery")
    failures = _failures(trace, tracks, incidents, faults)
    retries = _Retries(tracks, incidents, attempts)
    outcome = incidents.outcome(tracks).tolist()
    inside, steps = _phases(tracks, incidents), _steps(tracks)
    onset = np.where(np.isfinite(incidents.onset), incidents.onset, incidents.opened)
    detected = {}
    for place in range(len(incidents)):
        at = microseconds(float(incidents.opened[place]))
        subject = readable(tracks.subject(int(incidents.row[place])))
        detected[place] = detections.place(at, at)
        trace.slice(detected[place], f"detected: {subject}", at, at, kind=tracks.word(int(incidents.kind[place])))
    for place in np.argsort(onset, kind="stable").tolist():
        opened = microseconds(float(incidents.opened[place]))
        begin = microseconds(float(onset[place]))
        end = max(microseconds(min(float(incidents.ended[place]), tracks.horizon)), opened + 1)
        track = lanes.place(begin, end)
        subject = readable(tracks.subject(int(incidents.row[place])))
        kind = tracks.word(int(incidents.kind[place])).replace("_", " ")
        trace.slice(
            track,
            f"{kind}: {subject}" if kind else subject,
            begin,
            end,
            outcome=str(OUTCOME_OF.get(outcome[place], RecoveryOutcome.OPEN)),
            reason=_reason(tracks, int(incidents.end_row[place])),
        )
        number = int(incidents.number[place])
        detect = [("detect", begin, opened)] if incidents.onset_row[place] >= 0 else []
        for name, a, b in _nested([*detect, *inside.get(place, ()), *steps.get(number, ())], begin, end):
            trace.slice(track, name, a, b)
        stations = [failures[place]] if place in failures else []
        stations += [(detected[place], opened), (track, opened)]
        retried = retries.of(place)
        trace.flow("recovery", [*stations, *retried[:1]])
        for other in retried[1:]:
            trace.flow("recovery", [(track, opened), other])


def _reason(tracks: Tracks, row: int) -> str:
    return tracks.word(int(tracks.detail[row])) if row >= 0 else ""


def _failures(
    trace: TraceEvents, tracks: Tracks, incidents: Incidents, faults: Mapping[tuple[int, str], Track]
) -> dict[int, tuple[Track, int]]:
    """Where the arrow of each recovery begins: the injected fault, or a slice for the failure behind it."""
    lanes = Lanes(trace, "faults", "failures")
    found: dict[int, tuple[Track, int]] = {}
    made: dict[int, tuple[Track, int]] = {}
    for place in np.argsort(incidents.onset_row, kind="stable").tolist():
        row = int(incidents.onset_row[place])
        if row < 0:
            continue
        at, subject = microseconds(float(tracks.time[row])), readable(tracks.subject(row))
        injected = faults.get((at, subject))
        if injected is not None:
            found[place] = injected, at
            continue
        if row not in made:
            made[row] = lanes.place(at, at), at
            label = Event(int(tracks.event[row])).label.replace(".", " ").replace("_", " ")
            trace.slice(made[row][0], f"{label}: {subject}", at, at, detail=tracks.word(int(tracks.detail[row])))
        found[place] = made[row]
    return found


def _phases(tracks: Tracks, incidents: Incidents) -> Mapping[int, list[Span]]:
    found = phases(tracks, incidents)
    by_incident: dict[int, list[Span]] = {}
    columns = (found.incident, found.stage, found.begins, found.ends)
    for place, stage, begin, end in zip(*(each.tolist() for each in columns), strict=True):
        span = str(PHASE_AFTER[Event(stage)]), microseconds(begin), microseconds(end)
        by_incident.setdefault(place, []).append(span)
    return by_incident


def _steps(tracks: Tracks) -> Mapping[int, list[Span]]:
    """The commands of each incident; one without an end lasts until the end of the run."""
    rows = tracks.rows(*STEPS)
    running: dict[tuple[int, int], int] = {}
    found: dict[int, list[Span]] = {}
    columns = (tracks.incident[rows], tracks.detail[rows], tracks.event[rows], tracks.time[rows])
    for incident, word, event, time in zip(*(each.tolist() for each in columns), strict=True):
        if event == Event.STEP_STARTED:
            running[incident, word] = microseconds(time)
        elif (incident, word) in running:
            name = tracks.word(word) + ("" if event == Event.STEP_COMPLETED else " (failed)")
            found.setdefault(incident, []).append((name, running.pop((incident, word)), microseconds(time)))
    for (incident, word), begun in running.items():
        found.setdefault(incident, []).append((tracks.word(word), begun, microseconds(tracks.horizon)))
    return found


def _nested(spans: list[Span], begin: int, end: int) -> list[Span]:
    """The spans within a slice, each cut at the end of the one that it begins in, so that they nest.

    Those that take no time are left out: a slice lasts at least a microsecond, and would overlap the next one.
    """
    placed: list[Span] = []
    open_until = [end]
    cut = ((name, max(a, begin), min(b, end)) for name, a, b in spans)
    for name, a, b in sorted(cut, key=lambda span: (span[1], -span[2])):
        while len(open_until) > 1 and open_until[-1] <= a:
            open_until.pop()
        until = min(b, open_until[-1])
        if until > a:
            placed.append((name, a, until))
            open_until.append(until)
    return placed


class _Retries:
    """The attempts that follow recoveries: of the task itself, or of the tasks that its agent was at."""

    def __init__(self, tracks: Tracks, incidents: Incidents, placed: Sequence[Track]) -> None:
        self._tracks, self._incidents, self._placed = tracks, incidents, placed
        attempts = tracks.attempts
        self._of_task: dict[int, list[int]] = {}
        for number, task in enumerate(attempts.task.tolist()):
            self._of_task.setdefault(task, []).append(number)
        self._rows = attempts.row.tolist()

    def of(self, place: int) -> list[tuple[Track, int]]:
        """Track and instant of each, in order of time."""
        incidents, attempts = self._incidents, self._tracks.attempts
        row = int(incidents.row[place])
        found = []
        for task in self._tasks(place):
            numbers = self._of_task.get(task, [])
            after = bisect_right(numbers, row, key=lambda number: self._rows[number])
            if after < len(numbers):
                number = numbers[after]
                found.append((self._placed[number], microseconds(float(attempts.started[number]))))
        return sorted(found, key=lambda station: station[1])

    def _tasks(self, place: int) -> list[int]:
        incidents, attempts = self._incidents, self._tracks.attempts
        if incidents.task[place] >= 0:
            return [int(incidents.task[place])]
        agent, onset = int(incidents.agent[place]), float(incidents.onset[place])
        if agent < 0 or np.isnan(onset):
            return []
        interrupted = (attempts.agent == agent) & (attempts.started <= onset) & (attempts.ended >= onset)
        return list(dict.fromkeys(attempts.task[interrupted].tolist()))
