"""Data of a timeline: recoveries, faults, load, and the excerpt that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from recovery.audit import RecoveryOutcome, RecoveryPhase
from scenarios.faults import FORMS, Group
from sim.history import Event, History
from sim.measures.metrics.queue import queue_depth
from sim.measures.tables.event_table import Floats, Tracks
from sim.measures.tables.recoveries import OUTCOME_OF, PHASE_AFTER, Incidents, phases

Levels = tuple[Floats, Floats]
"""A step function: the times of its changes, and its value from each on."""

LASTING = frozenset(form.kind for form in FORMS if "for_" in form.model_fields) - {"agent_hang", "agent_flap"}
"""Faults that last until the end of the run unless they are cleared."""


@dataclass(frozen=True)
class Lane:
    """One recovery: its subject, the time and cause of its fault, its phases, its end and outcome."""

    subject: str
    onset: float
    cause: str
    stretches: tuple[tuple[RecoveryPhase, float, float], ...]
    ended: float
    outcome: RecoveryOutcome


def recoveries(history: History) -> list[Lane]:
    """The recoveries of a history that were opened after the warm-up, in order."""
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    outcome = incidents.outcome(tracks)
    found = phases(tracks, incidents)
    by_incident: dict[int, list[tuple[RecoveryPhase, float, float]]] = {}
    for place, stage, begins, ends in zip(found.incident, found.stage, found.begins, found.ends, strict=True):
        by_incident.setdefault(int(place), []).append((PHASE_AFTER[Event(int(stage))], float(begins), float(ends)))
    lanes = []
    for place in range(len(incidents)):
        opened = float(incidents.opened[place])
        if opened < tracks.start:
            continue
        onset = float(incidents.onset[place])
        stretches = by_incident.get(place, [])
        if isfinite(onset):
            stretches = [(RecoveryPhase.DETECT, onset, opened), *stretches]
        lanes.append(
            Lane(
                subject=tracks.subject(int(incidents.row[place])),
                onset=onset if isfinite(onset) else opened,
                cause=_cause(tracks, int(incidents.onset_row[place])),
                stretches=tuple(stretches),
                ended=min(float(incidents.ended[place]), tracks.end),
                outcome=OUTCOME_OF.get(int(outcome[place]), RecoveryOutcome.OPEN),
            )
        )
    return lanes


def _cause(tracks: Tracks, row: int) -> str:
    if row < 0:
        return "false alarm"
    return f"{Event(int(tracks.event[row])).label.replace('.', ' ')}: {readable(tracks.subject(row))}"


def interesting_window(history: History) -> tuple[float, float]:
    """An excerpt that contains the first recovery (or fault), with some time before and after it."""
    tracks = Tracks.of(history)
    lanes = recoveries(history)
    faults = [(start, stop) for start, stop, _ in injected(tracks) if start >= tracks.start]
    spans = [(lane.onset, lane.ended) for lane in lanes[:1]] + faults[:1]
    if not spans:
        return tracks.start, min(tracks.horizon, tracks.start + 120.0)
    first = min(start for start, _ in spans)
    longest = max(stop for start, stop in spans if start < first + 60.0) - first
    length = min(max(longest, 10.0), 600.0)
    return max(0.0, first - 0.4 * length), min(tracks.horizon, first + 2.1 * length)


def faults(history: History, lanes: Sequence[Lane]) -> list[tuple[float, float, str]]:
    """Injected faults and other causes of these recoveries: start, end and name."""
    found = injected(Tracks.of(history))
    begun = {start for start, _, _ in found}
    return sorted(found + [(lane.onset, lane.onset, lane.cause) for lane in lanes if lane.onset not in begun])


def injected(tracks: Tracks) -> list[tuple[float, float, str]]:
    """Injected faults: start, end (equal to the start if they do not last), and name.

    Faults of one kind that unite on one target are one entry.
    """
    found: list[tuple[int, int | None]] = []  # first and last row
    places: dict[tuple[int, ...], int] = {}  # of the latest entry of each kind and target
    active: dict[tuple[int, ...], int] = {}
    columns = (tracks.detail, tracks.about, tracks.agent, tracks.task)
    rows = tracks.rows(Event.FAULT_INJECTED, Event.FAULT_CLEARED)
    for row in rows[tracks.detail[rows] != tracks.number(Group.kind)].tolist():  # each of its faults has its own row
        key = tuple(int(column[row]) for column in columns)
        if tracks.event[row] == Event.FAULT_CLEARED:
            active[key] = active.get(key, 0) - 1
            if active[key] == 0:
                found[places[key]] = found[places[key]][0], row
        elif active.get(key, 0) > 0 and not np.isnan(tracks.value[row]):
            active[key] += 1
        else:
            places[key], active[key] = len(found), 1
            found.append((row, None))
    entries = []
    for row, last in found:
        kind, begun = tracks.word(int(tracks.detail[row])), float(tracks.time[row])
        unless_cleared = tracks.horizon if kind in LASTING else begun
        ended = unless_cleared if last is None else float(tracks.time[last])
        entries.append((begun, ended, f"{kind.replace('_', ' ')}: {readable(tracks.subject(row))}"))
    return entries


def fault_labels(names: Sequence[str]) -> list[str]:
    """Labels for faults that begin at the same instant, from the most to the least detailed.

    Of two crashes: `agent crash: agent 1, agent 4`, `2 × agent crash` and `2 faults`. Semicolons separate kinds of
    faults. A single fault has only its name.
    """
    subjects: dict[str, list[str]] = {}
    for name in names:
        kind, _, subject = name.partition(": ")
        subjects.setdefault(kind, []).append(subject)
    full = "; ".join(f"{kind}: {', '.join(each)}" if any(each) else kind for kind, each in subjects.items())
    if len(names) == 1:
        return [full]
    counted = "; ".join(f"{len(each)} × {kind}" if len(each) > 1 else kind for kind, each in subjects.items())
    return [full, counted, f"{len(names)} faults"]


def readable(subject: str) -> str:
    """Subjects of a history as in labels: `agent 3`, `agents – queue`."""
    return subject.replace("|", " – ").replace(".", " ")


def in_service(tracks: Tracks) -> Levels:
    """Number of running attempts: the times of its changes, and its value from each on."""
    attempts = tracks.attempts
    ended = attempts.ended[np.isfinite(attempts.ended)]
    times = np.concatenate((attempts.started, ended))
    changes = np.concatenate((np.ones(len(attempts.started)), -np.ones(len(ended))))
    order = np.argsort(times, kind="stable")
    return np.concatenate(([0.0], times[order])), np.concatenate(([0.0], np.cumsum(changes[order])))


def in_line(tracks: Tracks) -> Levels:
    """Number of queued tasks, from the warm-up on."""
    depth = queue_depth(tracks)
    begins = tracks.start + np.concatenate(([0.0], np.cumsum(depth.seconds)))[:-1]
    lasting = depth.seconds > 0
    return begins[lasting], depth.levels[lasting]


def within(function: Levels, begin: float, end: float) -> Levels:
    """A step function between two times, including both ends."""
    times, levels = function
    if not len(times):
        return np.array([begin, end]), np.zeros(2)
    inside = (times > begin) & (times < end)
    before = max(int(np.searchsorted(times, begin, side="right")) - 1, 0)
    chosen = levels[inside]
    first = levels[before]
    last = chosen[-1] if len(chosen) else first
    return np.concatenate(([begin], times[inside], [end])), np.concatenate(([first], chosen, [last]))
