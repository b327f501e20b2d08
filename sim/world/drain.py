"""The end of a run with `drain`: nothing new begins, and what was submitted goes on until it has ended."""

from __future__ import annotations

import simpy

from recovery import audit
from recovery.audit import AuditEvent
from sim.history import Event, History

TASK_ENDS = frozenset({Event.TASK_COMPLETED, Event.TASK_FAILED, Event.TASK_REJECTED})
REQUEST_ENDS = frozenset({Event.CLIENT_ANSWERED, Event.CLIENT_ABANDONED, Event.CLIENT_RETRIED})
"""A request that is repeated is submitted once more."""
RECOVERY_ENDS = frozenset(Event[AuditEvent(event).name] for event in audit.OUTCOME_OF)


class Unfinished:
    """Which tasks, recoveries and requests of clients have not ended, from the events of a history."""

    def __init__(self, env: simpy.Environment, history: History, *, has_clients: bool) -> None:
        self._has_clients = has_clients
        self._requests = 0
        self._tasks: set[int] = set()
        self._recoveries: set[int] = set()
        self.all_ended = env.event()
        """Succeeds at the instant at which nothing is unfinished any more."""
        table = history.table
        for event, task, incident in zip(
            table["event"].tolist(), table["task"].tolist(), table["incident"].tolist(), strict=True
        ):
            self._note(event, task, incident)
        history.watch(self._seen)
        self._check()

    def _seen(self, event: int, task: int, agent: int, incident: int, detail: str) -> None:
        self._note(event, task, incident)
        self._check()

    def _note(self, event: int, task: int, incident: int) -> None:
        if event == Event.TASK_SUBMITTED:
            self._tasks.add(task)
            self._requests += self._has_clients
        elif event in REQUEST_ENDS:
            self._requests -= 1
        elif event in TASK_ENDS:
            self._tasks.discard(task)
        elif event == Event.RECOVERY_OPENED:
            self._recoveries.add(incident)
        elif event in RECOVERY_ENDS:
            self._recoveries.discard(incident)

    def _check(self) -> None:
        if not (self._tasks or self._recoveries or self._requests or self.all_ended.triggered):
            self.all_ended.succeed()
