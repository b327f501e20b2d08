"""Latency and false alarms of each detector separately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import NOWHERE, Floats, Rows, Tracks
from sim.measures.tables.ground_truth import AgentTruth, LinkTruth
from sim.measures.tables.recoveries import Incidents
from sim.measures.tables.step_functions import running_totals
from sim.stats.samples import Sample

SIGNALS = ("agent", "progress", "delivery", "resource")
"""The signals of the detectors: silence of agents, progress in heartbeats, failed sends, probes of pools."""


@dataclass(frozen=True, eq=False)
class Alarms:
    """Alarms of one signal from the warm-up on: their rows, and the row of the onset of each (`NOWHERE`: none)."""

    row: Rows
    onset_row: Rows

    @property
    def false_positives(self) -> int:
        """Alarms about healthy subjects."""
        return int(np.count_nonzero(self.onset_row == NOWHERE))


def measure_alarms(history: History) -> Measured:
    """The metrics `detection.SIGNAL.*` of each signal; None where it is not in use.

    `.latency.*` = alarm − onset (s), for the first alarm after each onset. `.false_positives`: alarms without an onset.

    `agent`: a suspicion; its onset is the agent's crash or hang, or else the cut that disconnects it from the core.
    `progress`: a task is reported as stalled; the onset is the crash or hang of its agent. `delivery`: a recovery of a
    connection is opened; the onset is its cut. `resource`: a pool is found unhealthy; the onset is when its first
    units went out of service.
    """
    tracks = Tracks.of(history)
    found = alarms(tracks)
    measured: dict[str, float | Sample | None] = {}
    for signal in SIGNALS:
        raised = found.get(signal)
        name = f"detection.{signal}"
        seconds = np.empty(0) if raised is None else _latencies(tracks, raised)
        measured[f"{name}.latency"] = Sample.of(seconds)
        measured[f"{name}.false_positives"] = None if raised is None else float(raised.false_positives)
    return measured


def alarms(tracks: Tracks) -> dict[str, Alarms]:
    """The alarms of each signal that is in use."""
    found = {"agent": _of_agents(tracks), "delivery": _of_deliveries(tracks)}
    if tracks.meta.get("stalled_after") is not None:
        found["progress"] = _of_progress(tracks)
    if tracks.meta.get("resource_probe") is not None:
        found["resource"] = _of_resources(tracks)
    return found


def _latencies(tracks: Tracks, raised: Alarms) -> Floats:
    known = raised.onset_row >= 0
    onsets, first = np.unique(raised.onset_row[known], return_index=True)
    latencies: Floats = tracks.time[raised.row[known][first]] - tracks.time[onsets]
    return latencies


def _of_agents(tracks: Tracks) -> Alarms:
    agents, links = AgentTruth.of(tracks), LinkTruth.of(tracks)
    rows = tracks.in_window(Event.AGENT_SUSPECTED)
    onsets = []
    for row in rows.tolist():
        agent = int(tracks.agent[row])
        onset = agents.fault(agent, row)
        if onset == NOWHERE and not agents.down(agent, row):
            onset = links.cut_off(agent, row)
        onsets.append(onset)
    return Alarms(rows, np.array(onsets, dtype=np.intp))


def _of_progress(tracks: Tracks) -> Alarms:
    agents = AgentTruth.of(tracks)
    rows = tracks.in_window(Event.TASK_STALLED)
    named = [tracks.word(int(tracks.detail[row])).removeprefix("agent.") for row in rows.tolist()]
    onsets = [agents.fault(int(agent), row) for agent, row in zip(named, rows.tolist(), strict=True)]
    return Alarms(rows, np.array(onsets, dtype=np.intp))


def _of_deliveries(tracks: Tracks) -> Alarms:
    incidents = Incidents.of(tracks)
    of_links = (incidents.task < 0) & (incidents.agent < 0) & (incidents.opened >= tracks.start)
    return Alarms(incidents.row[of_links], incidents.onset_row[of_links])


def _of_resources(tracks: Tracks) -> Alarms:
    rows = tracks.in_window(Event.RESOURCE_SUSPECTED)
    changes = tracks.rows(Event.RESOURCE_UNAVAILABLE, Event.RESOURCE_AVAILABLE)
    changes = changes[np.argsort(tracks.about[changes], kind="stable")]
    pool = tracks.about[changes]
    lost = np.where(tracks.event[changes] == Event.RESOURCE_UNAVAILABLE, tracks.value[changes], -tracks.value[changes])
    out = running_totals(pool, lost)
    onsets = []
    for row in rows.tolist():
        before = np.flatnonzero((pool == tracks.about[row]) & (changes < row))
        if not len(before) or out[before[-1]] <= 0:
            onsets.append(NOWHERE)
            continue
        whole = before[out[before] <= 0]
        onsets.append(int(changes[whole[-1] + 1 if len(whole) else before[0]]))
    return Alarms(rows, np.array(onsets, dtype=np.intp))
