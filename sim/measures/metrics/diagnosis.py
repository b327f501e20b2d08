"""Diagnoses against true faults, and recoveries of healthy subjects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from recovery.runbook.catalogue import documented
from sim.history import Event, History
from sim.measures.tables.event_table import NOWHERE, Integers, Tracks, Truths
from sim.measures.tables.ground_truth import AgentTruth, LinkTruth
from sim.measures.tables.recoveries import Incidents, truth

Counts = Mapping[str, Mapping[str, int]]
"""Recoveries by fault and diagnosis."""
NOTHING = "nothing"
"""Replaces the fault of a false alarm."""
AGENT_FAILURE = "system_failures.agent_failure"
COMMUNICATION_FAILURE = "system_failures.communication_failure"


def confusion(history: History) -> pd.DataFrame:
    """The confusion matrix: counts of recoveries by true fault (rows) and last diagnosis (columns).

    It covers analyzed recoveries opened at or after the warm-up. The documented failures always come first, in their
    order; then the row `nothing` for false alarms, and a column for each other diagnosis (`unknown`,
    `ambiguous: a or b`), if there are any. `diagnosis.accuracy` is the fraction on the diagonal, without false alarms.

    An agent may be down and disconnected at the same time; a diagnosis is correct when it names one of the faults that
    were active when it was made.
    """
    return as_frame(diagnoses(history))


def diagnoses(history: History) -> dict[str, dict[str, int]]:
    """The nonzero counts of `confusion` by fault and diagnosis, in order of name."""
    tracks = Tracks.of(history)
    return counts(tracks, Incidents.of(tracks))


def as_frame(found: Counts) -> pd.DataFrame:
    """Counts by fault and diagnosis as a matrix."""
    known = [name for name, _ in documented().entries()]
    others = sorted({diagnosis: None for row in found.values() for diagnosis in row if diagnosis not in known})
    rows = known + [fault for fault in found if fault not in known]
    matrix = [[found.get(fault, {}).get(diagnosis, 0) for diagnosis in known + others] for fault in rows]
    return pd.DataFrame(
        matrix,
        index=pd.Index(rows, name="injected"),
        columns=pd.Index(known + others, name="diagnosed"),
        dtype=np.int64,
    )


def counts(tracks: Tracks, incidents: Incidents, chosen: Truths | None = None) -> dict[str, dict[str, int]]:
    """As `diagnoses`, of tracks and recoveries that are there already; of `chosen` recoveries, or of all."""
    return total([{fault: {diagnosis: 1}} for fault, diagnosis in _pairs(tracks, incidents, chosen)])


def total(several: Sequence[Counts]) -> dict[str, dict[str, int]]:
    """The sum of several counts, in order of name."""
    found: dict[tuple[str, str], int] = {}
    for row in several:
        for fault, of_fault in row.items():
            for diagnosis, count in of_fault.items():
                found[fault, diagnosis] = found.get((fault, diagnosis), 0) + count
    nested: dict[str, dict[str, int]] = {}
    for (fault, diagnosis), count in sorted(found.items()):
        nested.setdefault(fault, {})[diagnosis] = count
    return nested


def accuracy(found: Counts) -> float | None:
    """The fraction of correct diagnoses among those with a fault; None without any."""
    rows = [(fault, row) for fault, row in found.items() if fault != NOTHING]
    total = sum(sum(row.values()) for _, row in rows)
    return sum(row.get(fault, 0) for fault, row in rows) / total if total else None


def diagnosed(tracks: Tracks, incidents: Incidents) -> Integers:
    """The last diagnosis of each recovery, as the number of a word; 0: it was not analyzed."""
    analyzed = tracks.rows(Event.RECOVERY_ANALYZED)
    last = dict(zip(tracks.incident[analyzed].tolist(), tracks.detail[analyzed].tolist(), strict=True))
    return np.array([last.get(number, 0) for number in incidents.number.tolist()], dtype=np.int64)


def _pairs(tracks: Tracks, incidents: Incidents, chosen: Truths | None) -> Iterator[tuple[str, str]]:
    """The fault and the last diagnosis of each recovery that was analyzed."""
    analyzed = tracks.rows(Event.RECOVERY_ANALYZED)
    last = dict(zip(tracks.incident[analyzed].tolist(), analyzed.tolist(), strict=True))
    cohort = incidents.opened >= tracks.start
    for place in np.flatnonzero(cohort if chosen is None else cohort & chosen).tolist():
        row = last.get(int(incidents.number[place]))
        if row is not None:
            diagnosis = tracks.word(int(tracks.detail[row]))
            faults = _faults(tracks, incidents, place, row)
            yield (diagnosis if diagnosis in faults else faults[0]), diagnosis


def _faults(tracks: Tracks, incidents: Incidents, place: int, row: int) -> list[str]:
    """The true faults at a diagnosis: for an agent its current faults, else the fault behind the recovery."""
    agent, onset = int(incidents.agent[place]), int(incidents.onset_row[place])
    faults = []
    if agent >= 0:
        if AgentTruth.of(tracks).fault(agent, row) != NOWHERE:
            faults.append(AGENT_FAILURE)
        if LinkTruth.of(tracks).cut_off(agent, row) != NOWHERE:
            faults.append(COMMUNICATION_FAILURE)
    return faults or [NOTHING if onset == NOWHERE else truth(tracks, onset)]


# ----------------------------------------------------------------------------- unnecessary recoveries
def needless_recoveries(history: History) -> int:
    """Recoveries of healthy subjects, from the warm-up on.

    A task that was fenced although an attempt at it was running, under a valid epoch, on an agent that was up and
    connected to the core; and an agent that was stopped for a restart although it was neither down nor hung.
    """
    tracks = Tracks.of(history)
    agents, links, attempts = AgentTruth.of(tracks), LinkTruth.of(tracks), tracks.attempts
    fences = tracks.in_window(Event.TASK_FENCED)
    fenced: dict[int, float] = {}
    found = 0
    for row in tracks.rows(Event.TASK_FENCED).tolist():
        task = int(tracks.task[row])
        running = (attempts.task == task) & (attempts.row < row) & ((attempts.end_row < 0) | (attempts.end_row > row))
        running &= attempts.epoch > fenced.get(task, -1.0)
        well = [
            agent
            for agent in attempts.agent[running].tolist()
            if not agents.down(agent, row) and links.cut_off(agent, row) == NOWHERE
        ]
        found += bool(well) and row in fences
        fenced[task] = float(tracks.value[row])
    stopped = tracks.in_window(Event.AGENT_STOPPED)
    return found + sum(agents.fault(int(tracks.agent[row]), row) == NOWHERE for row in stopped.tolist())
