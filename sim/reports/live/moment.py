"""A run at one moment of its virtual time: agents, queue, resources, faults, recoveries and recent events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from recovery.audit import RecoveryOutcome, RecoveryPhase
from sim.history import Event, History
from sim.measures.metrics.queue import depth_changes
from sim.measures.tables.event_table import Floats, Integers, Rows, Tracks
from sim.measures.tables.ground_truth import AGENT_CHANGES
from sim.measures.tables.recoveries import OUTCOME_OF, PHASE_AFTER, Incidents, Phases, phases
from sim.reports.timeline_data import Levels, in_service, injected, readable

IDLE, BUSY, SUSPECTED, STOPPED, HUNG, CRASHED = range(6)
"""Conditions of an agent, from the best to the worst."""
CONDITIONS = ("idle", "busy", "suspected", "stopped", "hung", "crashed")
CONDITION_AFTER = {Event.AGENT_CRASHED: CRASHED, Event.AGENT_HUNG: HUNG, Event.AGENT_STOPPED: STOPPED}
NOTABLE = (
    Event.FAULT_INJECTED,
    Event.FAULT_CLEARED,
    Event.FAULT_SKIPPED,
    Event.AGENT_CRASHED,
    Event.AGENT_HUNG,
    Event.AGENT_WOKE,
    Event.AGENT_STOPPED,
    Event.AGENT_RESTARTED,
    Event.AGENT_SUSPECTED,
    Event.AGENT_CLEARED,
    Event.TASK_FAILED,
    Event.QUEUE_BLOCKED,
    Event.QUEUE_UNBLOCKED,
    Event.QUEUE_DEAD_LETTERED,
    Event.QUEUE_REPLAYED,
    Event.CHECKPOINT_REJECTED,
    Event.RESOURCE_UNAVAILABLE,
    Event.RESOURCE_AVAILABLE,
    Event.RESOURCE_LEAKED,
    Event.RESOURCE_FOUND,
    Event.LINK_CUT,
    Event.LINK_HEALED,
    Event.CORE_CRASHED,
    Event.CORE_RESTARTED,
    Event.CORE_ELECTED,
    Event.CORE_DEPOSED,
    Event.RECOVERY_OPENED,
    Event.RETRY_EXHAUSTED,
    Event.RECOVERY_VERIFIED,
    Event.RECOVERY_FAILED,
    Event.RECOVERY_ESCALATED,
    Event.RECOVERY_DISMISSED,
    Event.ALERT_RAISED,
    Event.ALERT_CLEARED,
    Event.BREAKER_OPENED,
    Event.BREAKER_HALF_OPENED,
    Event.BREAKER_CLOSED,
    Event.RUN_ERROR,
)
"""Events that the view lists. Those of single tasks and messages are too many to read."""
COUNTED = {
    "submitted": Event.TASK_SUBMITTED,
    "completed": Event.TASK_COMPLETED,
    "failed": Event.TASK_FAILED,
    "rejected": Event.TASK_REJECTED,
}
"""Tasks that are counted, and the events that count them."""


@dataclass(frozen=True)
class Pool:
    """A resource pool: its units, and those in use and out of service."""

    name: str
    units: float
    in_use: float
    out_of_service: float


@dataclass(frozen=True)
class Recovery:
    """A recovery until this moment: `stretches` are its phases with begin and end in seconds, the last one under way
    while `outcome` is open.
    """

    subject: str
    kind: str
    began: float
    until: float
    stretches: tuple[tuple[RecoveryPhase, float, float], ...]
    outcome: RecoveryOutcome


@dataclass(frozen=True)
class Moment:
    """A run at one moment. `service` and `queue` are samples of the load until then, the last one at the moment."""

    time: float
    conditions: Integers
    tasks: dict[str, int]
    retries: int
    service: Floats
    queue: Floats
    pools: tuple[Pool, ...]
    faults: tuple[tuple[float, str], ...]
    outcomes: dict[RecoveryOutcome, int]
    recoveries: tuple[Recovery, ...]
    events: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class _Incident:
    """A recovery of the whole run."""

    subject: str
    kind: str
    began: float
    opened: float
    ended: float
    stretches: tuple[tuple[RecoveryPhase, float, float], ...]
    outcome: RecoveryOutcome

    def until(self, time: float) -> Recovery:
        """The recovery as it is at a time (s)."""
        done = self.ended <= time
        until = min(self.ended, time)
        stretches = tuple((phase, begin, min(end, until)) for phase, begin, end in self.stretches if begin <= until)
        return Recovery(
            self.subject, self.kind, self.began, until, stretches, self.outcome if done else RecoveryOutcome.OPEN
        )


@dataclass(eq=False)
class Replay:
    """The moments of a recorded run, from which the view is drawn. Raises HistoryNotKept."""

    history: History
    tracks: Tracks = field(init=False)

    def __post_init__(self) -> None:
        tracks = self.tracks = Tracks.of(self.history)
        self.end = tracks.horizon
        self.agents = tracks.agents
        self.faults = injected(tracks)
        self._service = in_service(tracks)
        times, changes = depth_changes(tracks)
        self._queue: Levels = np.concatenate(([0.0], times)), np.concatenate(([0.0], np.cumsum(changes)))
        self._counted = {name: tracks.time[tracks.rows(event)] for name, event in COUNTED.items()}
        self._retries = tracks.time[tracks.rows(Event.RETRY_GRANTED)]
        self._changes = tracks.rows(*AGENT_CHANGES)
        self._suspicions = tracks.rows(Event.AGENT_SUSPECTED, Event.AGENT_CLEARED)
        self._notable = tracks.rows(*NOTABLE)
        self._pools = [(name, float(units), *self._of_pool(name)) for name, units in _units(tracks)]
        self._incidents = _incidents(tracks)
        self._outcome = Incidents.of(tracks).outcome(tracks)
        self._opened = np.array([each.opened for each in self._incidents])
        self._ended = np.array([each.ended for each in self._incidents])

    def at(self, time: float, *, cells: int, since: float, recoveries: int, events: int) -> Moment:
        """The run at a time (s): `cells` samples of the load from `since` on, and at most so many recoveries and
        events, the latest.
        """
        tracks = self.tracks
        moments = np.linspace(min(since, time), time, max(cells, 2))
        shown = self._recoveries_at(time, recoveries)
        return Moment(
            time=time,
            conditions=self._conditions(time),
            tasks={name: _number_until(times, time) for name, times in self._counted.items()},
            retries=_number_until(self._retries, time),
            service=_sampled(self._service, moments),
            queue=_sampled(self._queue, moments),
            pools=tuple(
                Pool(name, units, _level(used, time), _level(out, time)) for name, units, used, out in self._pools
            ),
            faults=tuple((begin, name) for begin, end, name in self.faults if begin <= time < end),
            outcomes=self._outcomes(time),
            recoveries=tuple(self._incidents[place].until(time) for place in shown),
            events=tuple(
                (float(tracks.time[row]), self._text(row)) for row in self._last(self._notable, time, events).tolist()
            ),
        )

    def _of_pool(self, name: str) -> tuple[Levels, Levels]:
        tracks, number = self.tracks, self.tracks.number(name)

        def levels(more: Event, fewer: Event) -> Levels:
            rows = tracks.rows(more, fewer)
            rows = rows[tracks.about[rows] == number]
            changes = np.where(tracks.event[rows] == more, tracks.value[rows], -tracks.value[rows])
            return np.concatenate(([0.0], tracks.time[rows])), np.concatenate(([0.0], np.cumsum(changes)))

        return (
            levels(Event.RESOURCE_ALLOCATED, Event.RESOURCE_RELEASED),
            levels(Event.RESOURCE_UNAVAILABLE, Event.RESOURCE_AVAILABLE),
        )

    def _conditions(self, time: float) -> Integers:
        """The condition of each agent: as it is in truth, and whether the detector suspects one that is up."""
        tracks, attempts = self.tracks, self.tracks.attempts
        found = np.zeros(self.agents, dtype=np.int64)
        running = (attempts.started <= time) & (attempts.ended > time)
        found[attempts.agent[running]] = BUSY
        suspicions = self._until(self._suspicions, time)
        is_suspected = np.zeros(self.agents, dtype=bool)
        is_suspected[tracks.agent[suspicions]] = tracks.event[suspicions] == Event.AGENT_SUSPECTED  # the last remains
        found[is_suspected] = SUSPECTED
        changes = self._until(self._changes, time)
        down = np.zeros(self.agents, dtype=np.int64)
        down[tracks.agent[changes]] = _DOWN[tracks.event[changes]]
        return np.where(down > 0, down, found)

    def _recoveries_at(self, time: float, most: int) -> list[int]:
        """The places of recoveries to show, in order: those under way, and the latest of those that have ended."""
        opened = np.flatnonzero(self._opened <= time)
        under_way = opened[self._ended[opened] > time][:most]
        ended = opened[self._ended[opened] <= time]
        left = most - len(under_way)
        latest = ended[np.argsort(self._ended[ended], kind="stable")][len(ended) - min(left, len(ended)) :]
        return sorted([*under_way.tolist(), *latest.tolist()])

    def _outcomes(self, time: float) -> dict[RecoveryOutcome, int]:
        """The number of recoveries by outcome; `open`: those under way."""
        opened = self._opened <= time
        codes, counts = np.unique(np.where(self._ended <= time, self._outcome, 0)[opened], return_counts=True)
        return {
            OUTCOME_OF.get(code, RecoveryOutcome.OPEN): number
            for code, number in zip(codes.tolist(), counts.tolist(), strict=True)
        }

    def _until(self, rows: Rows, time: float) -> Rows:
        return rows[: int(np.searchsorted(self.tracks.time[rows], time, side="right"))]

    def _last(self, rows: Rows, time: float, most: int) -> Rows:
        until = self._until(rows, time)
        return until[max(0, len(until) - most) :]

    def _text(self, row: int) -> str:
        """An event in words: `recovery opened: agent 3 (agent failure)`."""
        tracks = self.tracks
        label = Event(int(tracks.event[row])).label.replace(".", " ").replace("_", " ")
        subject, detail = readable(tracks.subject(row)), tracks.word(int(tracks.detail[row])).replace("_", " ")
        if label.startswith("fault "):
            label, detail = f"{label}: {detail}", ""
        text = f"{label}: {subject}" if subject else label
        return f"{text} ({detail})" if detail else text


_DOWN = np.zeros(256, dtype=np.int64)
_DOWN[list(CONDITION_AFTER)] = list(CONDITION_AFTER.values())


def _units(tracks: Tracks) -> Sequence[tuple[str, float]]:
    return [(str(name), float(units)) for name, units in tracks.meta.get("resources", {}).items()]


def _number_until(times: Floats, time: float) -> int:
    return int(np.searchsorted(times, time, side="right"))


def _sampled(function: Levels, moments: Floats) -> Floats:
    times, levels = function
    found: Floats = levels[np.maximum(np.searchsorted(times, moments, side="right") - 1, 0)]
    return found


def _level(function: Levels, time: float) -> float:
    return float(_sampled(function, np.array([time]))[0])


def _incidents(tracks: Tracks) -> list[_Incident]:
    incidents = Incidents.of(tracks)
    stretches = _stretches(phases(tracks, incidents))
    outcome = incidents.outcome(tracks).tolist()
    found = []
    for place in range(len(incidents)):
        opened, onset = float(incidents.opened[place]), float(incidents.onset[place])
        detected = [(RecoveryPhase.DETECT, onset, opened)] if isfinite(onset) else []
        found.append(
            _Incident(
                subject=readable(tracks.subject(int(incidents.row[place]))),
                kind=tracks.word(int(incidents.kind[place])).replace("_", " "),
                began=onset if isfinite(onset) else opened,
                opened=opened,
                ended=float(incidents.ended[place]),
                stretches=(*detected, *stretches.get(place, ())),
                outcome=OUTCOME_OF.get(outcome[place], RecoveryOutcome.OPEN),
            )
        )
    return found


def _stretches(found: Phases) -> dict[int, list[tuple[RecoveryPhase, float, float]]]:
    by_incident: dict[int, list[tuple[RecoveryPhase, float, float]]] = {}
    columns = (found.incident, found.stage, found.begins, found.ends)
    for place, stage, begins, ends in zip(*(each.tolist() for each in columns), strict=True):
        by_incident.setdefault(place, []).append((PHASE_AFTER[Event(stage)], begins, ends))
    return by_incident
