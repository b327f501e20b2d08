"""The recoveries of a run as rows of a page: subject, cause, phases, steps, diagnosis and outcome."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from recovery.audit import RecoveryOutcome
from sim.history import Event
from sim.measures.metrics.recovery_time import PHASES
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import OUTCOME_OF, PHASE_AFTER, Incidents, phases
from sim.reports.timeline_data import readable

MOST_ROWS = 4_000
OUTCOMES = tuple(RecoveryOutcome)
_PLACE = {phase: place for place, phase in enumerate(PHASES)}
_STEPS = (Event.STEP_STARTED, Event.STEP_COMPLETED, Event.STEP_FAILED)


def incident_rows(tracks: Tracks, incidents: Incidents, window: tuple[float, float] | None = None) -> dict[str, Any]:
    """The recoveries opened after the warm-up that overlap the window, at most `MOST_ROWS`, and how many were left out.

    A row: number, subject, kind, agent, fault, opened, ended, outcome (a place in `OUTCOMES`), cause, diagnosis, reason
    of the end, failed tries, phases as (a place in `PHASES`, begin, end), steps as (command, begin, end, ok). Times in
    seconds; None: never.
    """
    outcome = incidents.outcome(tracks)
    begin, end = window or (0.0, np.inf)
    onset = np.where(np.isfinite(incidents.onset), incidents.onset, incidents.opened)
    chosen = np.flatnonzero((incidents.opened >= tracks.start) & (onset < end) & (incidents.ended >= begin))
    shown = chosen[:MOST_ROWS]
    stretches = _stretches(tracks, incidents)
    steps = _steps(tracks)
    diagnosed = _last_words(tracks, Event.RECOVERY_ANALYZED)
    failed = _counts(tracks, Event.RECOVERY_FAILED)
    rows = []
    for place in shown.tolist():
        number, row = int(incidents.number[place]), int(incidents.onset_row[place])
        opened, ended = float(incidents.opened[place]), float(incidents.ended[place])
        detect = [[0, float(incidents.onset[place]), opened]] if row >= 0 else []
        last = int(incidents.end_row[place])
        rows.append(
            [
                number,
                readable(tracks.subject(int(incidents.row[place]))),
                tracks.word(int(incidents.kind[place])).replace("_", " "),
                _agent(tracks, incidents, place),
                _rounded(float(onset[place])),
                _rounded(opened),
                _rounded(ended) if isfinite(ended) else None,
                OUTCOMES.index(OUTCOME_OF.get(int(outcome[place]), RecoveryOutcome.OPEN)),
                _cause(tracks, row),
                diagnosed.get(number, ""),
                tracks.word(int(tracks.detail[last])) if last >= 0 else "",
                failed.get(number, 0),
                [[phase, _rounded(a), _rounded(b)] for phase, a, b in (*detect, *stretches.get(place, ()))],
                [[name, _rounded(a), _rounded(b), ok] for name, a, b, ok in steps.get(number, ())],
            ]
        )
    return {"rows": rows, "leftOut": len(chosen) - len(shown), "phases": list(PHASES), "outcomes": list(OUTCOMES)}


def _agent(tracks: Tracks, incidents: Incidents, place: int) -> str:
    """The agent that failed, or on which the attempt failed; empty without one."""
    agent = int(incidents.agent[place])
    row = int(incidents.onset_row[place])
    if agent < 0 and row >= 0:
        agent = int(tracks.agent[row])
    return f"agent {agent}" if agent >= 0 else ""


def _cause(tracks: Tracks, row: int) -> str:
    if row < 0:
        return "false alarm: no fault"
    said = f"{Event(int(tracks.event[row])).label.replace('.', ' ').replace('_', ' ')}"
    detail = tracks.word(int(tracks.detail[row])).replace("_", " ")
    return f"{said}: {detail}" if detail else said


def _stretches(tracks: Tracks, incidents: Incidents) -> Mapping[int, list[tuple[int, float, float]]]:
    found = phases(tracks, incidents)
    by_incident: dict[int, list[tuple[int, float, float]]] = {}
    columns = (found.incident.tolist(), found.stage.tolist(), found.begins.tolist(), found.ends.tolist())
    for place, stage, begins, ends in zip(*columns, strict=True):
        by_incident.setdefault(place, []).append((_PLACE[PHASE_AFTER[Event(stage)]], begins, ends))
    return by_incident


def _steps(tracks: Tracks) -> Mapping[int, list[tuple[str, float, float, bool]]]:
    """The commands of each incident; one that did not end lasts until the end of the run."""
    rows = tracks.rows(*_STEPS)
    running: dict[tuple[int, int], float] = {}
    found: dict[int, list[tuple[str, float, float, bool]]] = {}
    columns = (tracks.incident[rows].tolist(), tracks.detail[rows].tolist(), tracks.event[rows].tolist())
    for incident, word, event, time in zip(*columns, tracks.time[rows].tolist(), strict=True):
        if event == Event.STEP_STARTED:
            running[incident, word] = time
        elif (incident, word) in running:
            begun = running.pop((incident, word))
            found.setdefault(incident, []).append((tracks.word(word), begun, time, event == Event.STEP_COMPLETED))
    for (incident, word), begun in running.items():
        found.setdefault(incident, []).append((tracks.word(word), begun, tracks.horizon, False))
    return found


def _last_words(tracks: Tracks, event: Event) -> Mapping[int, str]:
    rows = tracks.rows(event)
    numbers = zip(tracks.incident[rows].tolist(), tracks.detail[rows].tolist(), strict=True)
    return {incident: tracks.word(word) for incident, word in numbers}


def _counts(tracks: Tracks, event: Event) -> Mapping[int, int]:
    numbers, counts = np.unique(tracks.incident[tracks.rows(event)], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _rounded(number: float) -> float:
    near = round(number, 3)
    return int(near) if near == int(near) else near
