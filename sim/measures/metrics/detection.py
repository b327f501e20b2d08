"""Detection of faults, its latency, and the accuracy of diagnoses."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.metrics.detectors import alarms
from sim.measures.metrics.diagnosis import accuracy, counts
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import NOWHERE, Rows, Tracks
from sim.measures.tables.ground_truth import AGENT_FAULTS, AgentTruth, LinkTruth
from sim.measures.tables.recoveries import Incidents, invalid_ends, task_faults
from sim.stats.samples import Sample


def measure_detection(history: History) -> Measured:
    """The `detection.*` and `diagnosis.*` metrics, of what happened at or after the warm-up.

    `detection.latency.*` = recovery opened − fault (s), for recoveries with a fault.

    `detection.false_positives`: alarms about a healthy agent: up and connected to the core. An alarm is a suspicion, or
    a recovery opened for an agent that is not suspected. False alarms about tasks, connections and pools are counted as
    well (`sim.measures.metrics.detectors` counts them separately).

    `detection.missed`: undetected faults that were over, or older at the end of the run than the detector may take. A
    fault is detected when a recovery was opened for it; when the agent (for a cut link to the core: a disconnected
    agent) was suspected during the fault; or when a recovery of the same subject, or of the agent that had the task,
    was already open. A fenced attempt, and one of a finished task, cannot be missed.

    `diagnosis.accuracy` = recoveries whose last diagnosis names a fault that was active then ÷ analyzed recoveries with
    a fault (`sim.measures.metrics.diagnosis`).
    """
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    known = (incidents.opened >= tracks.start) & (incidents.onset_row >= 0)
    return {
        "detection.latency": Sample.of((incidents.opened - incidents.onset)[known]),
        "detection.false_positives": float(_false_positives(tracks, incidents) + _others(tracks)),
        "detection.missed": float(
            _missed_agents(tracks, incidents) + _missed_links(tracks, incidents) + _missed_tasks(tracks, incidents)
        ),
        "diagnosis.accuracy": accuracy(counts(tracks, incidents)),
        **{
            f"diagnosis.{kind}.accuracy": accuracy(counts(tracks, incidents, of_kind))
            for kind, of_kind in incidents.by_kind(tracks)
        },
    }


def detection_deadline(tracks: Tracks) -> float:
    """Maximum detection time in seconds: a heartbeat interval plus the detector's timeout for a regular agent.

    That is (missed + 1) intervals for the heartbeat detector and 0 for the perfect detector.
    """
    if tracks.meta.get("detector") == "perfect":
        return 0.0
    interval = float(tracks.meta.get("heartbeat_interval") or 0.0)
    patience = tracks.meta.get("patience")
    return interval + (interval * int(tracks.meta.get("missed_heartbeats") or 0) if patience is None else patience)


# -------------------------------------------------------------------------- false alarms
def _others(tracks: Tracks) -> int:
    return sum(raised.false_positives for signal, raised in alarms(tracks).items() if signal != "agent")


def _false_positives(tracks: Tracks, incidents: Incidents) -> int:
    agents, links, beliefs = AgentTruth.of(tracks), LinkTruth.of(tracks), _Beliefs(tracks)
    opened = incidents.row[incidents.agent >= 0].tolist()
    alarms = tracks.rows(Event.AGENT_SUSPECTED).tolist()
    alarms += [row for row in opened if not beliefs.suspected(int(tracks.agent[row]), row)]
    return sum(
        not agents.down(int(tracks.agent[row]), row) and links.cut_off(int(tracks.agent[row]), row) == NOWHERE
        for row in alarms
        if tracks.time[row] >= tracks.start
    )


class _Beliefs:
    """The suspicions of the detector about each agent."""

    def __init__(self, tracks: Tracks) -> None:
        self._event = tracks.event
        rows = tracks.rows(Event.AGENT_SUSPECTED, Event.AGENT_CLEARED)
        self._of: dict[int, Rows] = {
            int(agent): rows[tracks.agent[rows] == agent] for agent in np.unique(tracks.agent[rows])
        }

    def suspected(self, agent: int, row: int) -> bool:
        """Whether the agent is suspected just before a row."""
        rows = self._of.get(agent)
        place = 0 if rows is None else int(np.searchsorted(rows, row))
        return rows is not None and place > 0 and bool(self._event[rows[place - 1]] == Event.AGENT_SUSPECTED)

    def suspects_between(self, agent: int, row: int, until: int) -> bool:
        """Whether the detector starts to suspect the agent between two rows."""
        rows = self._of.get(agent)
        if rows is None:
            return False
        within = rows[(rows > row) & (rows < until)]
        return bool((self._event[within] == Event.AGENT_SUSPECTED).any())


# ------------------------------------------------------------------------------- missed
def _old_enough(tracks: Tracks, rows: Rows, over: Rows) -> Rows:
    """Faults of the window that are over, or older at the end than the detector may take."""
    at = tracks.time[rows]
    late = tracks.horizon - at >= detection_deadline(tracks)
    return rows[(at >= tracks.start) & (late | (over < tracks.size))]


def _missed_agents(tracks: Tracks, incidents: Incidents) -> int:
    agents, beliefs = AgentTruth.of(tracks), _Beliefs(tracks)
    rows = tracks.rows(*AGENT_FAULTS)
    over = {
        row: until if (until := agents.returns_after(int(tracks.agent[row]), row)) is not None else tracks.size
        for row in rows.tolist()
    }
    missed = 0
    for row in _old_enough(tracks, rows, np.array(list(over.values()), dtype=np.intp)).tolist():
        agent = int(tracks.agent[row])
        of_agent = incidents.row[incidents.agent == agent]
        noticed = (
            beliefs.suspected(agent, row)
            or beliefs.suspects_between(agent, row, over[row])
            or ((of_agent > row) & (of_agent < over[row])).any()
            or (incidents.agent[incidents.open_at(row)] == agent).any()
        )
        missed += not noticed
    return missed


def _missed_links(tracks: Tracks, incidents: Incidents) -> int:
    links, beliefs = LinkTruth.of(tracks), _Beliefs(tracks)
    rows = tracks.rows(Event.LINK_CUT)
    over = {
        row: until if (until := links.heals_after(int(tracks.about[row]), row)) is not None else tracks.size
        for row in rows.tolist()
    }
    missed = 0
    for row in _old_enough(tracks, rows, np.array(list(over.values()), dtype=np.intp)).tolist():
        link = int(tracks.about[row])
        agents = [agent for agent in range(tracks.agents) if links.joins_core(link, agent)]
        noticed = (
            bool((incidents.onset_row == row).any())
            or bool((incidents.about[incidents.open_at(row)] == link).any())
            or any(beliefs.suspected(agent, row) or beliefs.suspects_between(agent, row, over[row]) for agent in agents)
        )
        missed += not noticed
    return missed


def _missed_tasks(tracks: Tracks, incidents: Incidents) -> int:
    """Failed attempts without a recovery."""
    rows = task_faults(tracks)
    rows = rows[~np.isin(rows, incidents.onset_row)]
    if not len(rows):
        return 0
    ended = tracks.tasks.end_row[tracks.task[rows]]
    rows = rows[(ended == NOWHERE) | (ended > rows)]
    rows = rows[~invalid_ends(tracks, rows)]
    again = tracks.last_by_task(tracks.rows(Event.ATTEMPT_STARTED))[tracks.task[rows]]
    over = np.where(again > rows, again, tracks.size)
    return sum(not covered_by_recovery(tracks, incidents, row) for row in _old_enough(tracks, rows, over).tolist())


def covered_by_recovery(tracks: Tracks, incidents: Incidents, row: int) -> bool:
    """Whether a recovery of the task at this row, or of the agent that had it, is open just before it."""
    already = incidents.open_at(row)
    return bool(
        (incidents.task[already] == tracks.task[row]).any()
        or ((incidents.agent[already] == tracks.agent[row]) & (incidents.agent[already] >= 0)).any()
    )
