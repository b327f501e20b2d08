"""No units are held for a finished task, or for an ended attempt whose failure was handled."""

from __future__ import annotations

from math import inf

import numpy as np

from sim.history import Event, History
from sim.invariants.resource_holdings import HOLDINGS, RESERVED, AttemptsOfTasks, Holdings
from sim.invariants.violation import Violation
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.ground_truth import AgentTruth
from sim.measures.tables.recoveries import Incidents
from sim.measures.tables.step_functions import group_starts
from sim.measures.tables.task_ownership import lost

INVARIANT = "no_leaked_resource"


def check(history: History) -> list[Violation]:
    """Units that stay allocated without justification; a release at the same instant is in time.

    A finished task holds nothing, except: units of another running attempt, until it ends; units of an attempt on a
    crashed agent, until the agent is up again; and units while a recovery of the task, or of the agent of that attempt,
    is open whose fault occurred before the task was finished.

    At the end of the run an unfinished task may hold units reserved for its next attempt; under an attempt that runs,
    or waits for its start; and under an ended one while its failure is not handled, its agent is down or a recovery is
    open. A lost task is reported by `no_lost_task`, with all that it holds. The row of a violation is the end of the
    attempt that got the units, or of its task.
    """
    tracks = Tracks.of(history)
    if not len(tracks.rows(*HOLDINGS)):
        return []
    holdings = Holdings.of(tracks)
    ended = tracks.tasks.ended[tracks.task[holdings.rows]]
    in_time = tracks.time[holdings.rows] <= ended
    first = group_starts(holdings.keys)
    at_end_of_task = np.add.reduceat(np.where(in_time, holdings.changes, 0.0), first)
    at_end_of_run = np.add.reduceat(holdings.changes, first)
    finished = np.isfinite(ended[first])
    suspects = holdings.keys[first][(at_end_of_run > 0) | (finished & (at_end_of_task > 0))].tolist()
    if not suspects:
        return []
    leaks = _Leaks(tracks, holdings, set(lost(tracks).tolist()))
    violations = [leaks.violation(key, epoch, row) for key in suspects for epoch, row in leaks.of(key)]
    return sorted(violations, key=lambda violation: violation.row)


class _Leaks:
    """Checks suspect pairs of a task and a pool."""

    def __init__(self, tracks: Tracks, holdings: Holdings, lost_tasks: set[int]) -> None:
        self._tracks = tracks
        self._holdings = holdings
        self._lost = lost_tasks
        self._attempts = AttemptsOfTasks.of(tracks)
        self._incidents = Incidents.of(tracks)
        self._agents = AgentTruth.of(tracks)
        moves = tracks.rows(Event.QUEUE_ENTERED, Event.QUEUE_SETTLED)
        again = tracks.detail[moves] == tracks.number("duplicate")  # a repeated delivery of before
        self._taken_up = tracks.last_by_task(moves[~again])

    def violation(self, key: int, epoch: int, row: int) -> Violation:
        """The message about a leak."""
        task, pool = self._holdings.task(key), self._holdings.pool(key)
        whose = "for its next attempt" if epoch == RESERVED else f"under epoch {epoch}"
        message = f"units of {pool} that it got {whose} are not released"
        return Violation(INVARIANT, float(self._tracks.time[row]), f"task.{task}", message, row)

    def of(self, key: int) -> list[tuple[int, int]]:
        """Epochs under which units leaked, each with the row after which they should have been released."""
        tracks, task = self._tracks, self._holdings.task(key)
        end_row = int(tracks.tasks.end_row[task])
        if end_row >= 0:
            return [
                (epoch, self._attempt_end(task, epoch, end_row))
                for epoch in self._held_at(key, float(tracks.time[end_row]))
                if epoch in self._held_at(key, self._entitled_until(task, epoch, end_row))
            ]
        return [
            (epoch, self._attempt_end(task, epoch, int(self._taken_up[task])))
            for epoch in self._holdings.held_after(key, tracks.size)
            if not self._entitled_at_end(task, epoch)
        ]

    def _held_at(self, key: int, instant: float) -> dict[int, float]:
        """The units held after all events of an instant; at the end of the run, those held without justification."""
        if instant == inf:
            return {}
        return self._holdings.held_after(key, self._tracks.last_row_at(instant))

    def _attempt_end(self, task: int, epoch: int, otherwise: int) -> int:
        """The row at which an attempt ended, if it was over before `otherwise`."""
        place = self._attempts.at(task).get(epoch)
        row = -1 if place is None else int(self._tracks.attempts.end_row[place])
        return row if 0 <= row < otherwise else otherwise

    def _agent(self, task: int, epoch: int) -> int:
        place = self._attempts.at(task).get(epoch)
        return -1 if place is None else int(self._tracks.attempts.agent[place])

    def _entitled_until(self, task: int, epoch: int, end_row: int) -> float:
        """The time until which a finished task may hold units."""
        tracks, incidents, agent = self._tracks, self._incidents, self._agent(task, epoch)
        finished = float(tracks.time[end_row])
        until = [finished]
        attempts = self._attempts.at(task)
        holders = attempts.values() if epoch == RESERVED else [attempts[epoch]] if epoch in attempts else []
        until += [float(tracks.attempts.ended[place]) for place in holders]
        if agent >= 0 and self._agents.down(agent, end_row):
            back = self._agents.returns_after(agent, end_row)
            until.append(inf if back is None else float(tracks.time[back]))
        concerned = (incidents.task == task) | ((incidents.agent == agent) & (agent >= 0))
        before = (incidents.row < end_row) | ((incidents.onset_row >= 0) & (incidents.onset_row < end_row))
        until += incidents.ended[concerned & before].tolist()
        return max(until)

    def _entitled_at_end(self, task: int, epoch: int) -> bool:
        """Whether an unfinished task may hold units at the end of the run."""
        place = self._attempts.at(task).get(epoch)
        if place is None or task in self._lost:
            return True
        ended_at = int(self._tracks.attempts.end_row[place])
        if ended_at < 0 or ended_at > self._taken_up[task]:
            return True
        agent = self._agent(task, epoch)
        incidents = self._incidents
        recovering = (incidents.end_row < 0) & ((incidents.task == task) | (incidents.agent == agent))
        return bool(recovering.any()) or self._agents.down(agent, self._tracks.size)
