"""The ports: protocols through which the core accesses the system that it recovers.

Any system can implement them. Methods that may take time are coroutines. `recovery.stores.inline` makes a port of a
task store with synchronous methods, `recovery.stores.threaded` of one whose methods block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from recovery.audit import AuditEvent
from recovery.errors import is_defect
from recovery.journal import NO_JOURNAL, Journal
from recovery.model import (
    NOTHING,
    AgentHealth,
    Checkpoint,
    Incident,
    LinkHealth,
    QueueHealth,
    ResourceHealth,
    TaskStatus,
    TaskView,
)
from recovery.policies.policy_states import PolicyChanges


class TaskStore(Protocol):
    """The authoritative state of tasks: status, epochs, effects and checkpoints.

    Every attempt has an epoch, one higher than the last. `fence` fences all epochs so far: their later commits,
    failures and checkpoints are refused. The first accepted commit completes the task; later ones are refused.
    """

    async def register(self, task_id: str) -> None:
        """Add a task with status queued and epoch 0. Raises ValueError if the name exists."""

    async def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt and return its epoch. None: the task is finished (completed or escalated)."""

    async def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused (fenced, or another attempt was first)."""

    async def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """Record that an attempt has failed or is blocked. False: refused (fenced or finished)."""

    async def fence(self, task_id: str) -> int:
        """Fence all epochs so far, and return the highest of them."""

    async def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether the epoch is not fenced and the task is not finished."""

    async def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Set the status to queued. False: the task is finished, or runs under an epoch above `fenced`."""

    async def escalate(self, task_id: str, reason: str) -> bool:
        """Set the status to escalated. False: the task is finished."""

    async def status(self, task_id: str) -> TaskStatus | None:
        """The status of the task; None if it is unknown."""

    async def halted(self) -> Sequence[str]:
        """The failed and blocked tasks, which need a recovery; the longest halted first."""

    async def epoch(self, task_id: str) -> int:
        """The latest epoch, 0 before the first attempt."""

    async def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """Count retry number `retry` (from 1) for failures of this kind. A repeated call has no effect."""

    async def retries(self, task_id: str, kind: str) -> int:
        """The number of retries so far for failures of this kind."""

    async def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint. None: refused (fenced). Raises ValueError for a state that is not JSON."""

    async def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """The readable checkpoints, valid or not, the oldest first."""

    async def last_checkpoint(self, task_id: str) -> int:
        """The sequence number of the last acknowledged checkpoint, 0 before the first.

        It is part of the task's state, and never stale, unlike `checkpoints`, which a replica may answer.
        """

    async def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt starts, as set by `set_restore_point`."""

    async def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts; None: the beginning."""


class TaskPort(Protocol):
    """The tasks and their execution."""

    async def inspect(self, task_id: str) -> TaskView | None:
        """Probe the task; None if it is unknown."""

    async def tasks_on(self, agent_id: str) -> Sequence[str]:
        """The tasks that the agent holds (delivered and not settled), in the order of delivery."""

    async def stop_attempts(self, task_id: str) -> None:
        """Stop every reachable attempt of the task; idempotent."""

    async def enqueue(self, task_id: str, reason: str) -> bool:
        """Queue the task for execution; also True if it is queued already.

        False: it is unknown, or the system has given it up because it was delivered as often as allowed.
        """

    async def resume(self, task_id: str, resources: Mapping[str, int]) -> bool:
        """Resume a blocked task with the resources that were allocated for it. False: as for `enqueue`."""

    async def give_up(self, task_id: str, reason: str) -> None:
        """Release everything that the system keeps for the task, which is handed over to an operator."""


class AgentPort(Protocol):
    """The agents."""

    async def health(self, agent_id: str) -> AgentHealth:
        """Probe one agent."""

    async def restart(self, agent_id: str) -> bool:
        """Stop the agent and start it again; returns when it is up. False: it is not reachable."""


class ResourcePort(Protocol):
    """Pools of resources."""

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """Probe pools; all of them if `names` is empty."""

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that the task needs."""

    async def held(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that the task holds."""

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Release all resources of the task, and return them (empty the second time)."""

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocate everything now, or nothing (None)."""

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """The share of units in service by pool over the last `timeframe` seconds."""


class QueuePort(Protocol):
    """Task queues."""

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """Probe queues; all of them if `queue_ids` is empty."""

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Send the messages again that were not delivered since that time; returns their number."""


class NetworkPort(Protocol):
    """The network between named endpoints."""

    async def status(self, endpoints: Sequence[str]) -> Sequence[LinkHealth]:
        """Probe the connections between these endpoints."""

    async def reset(self, endpoints: Sequence[str]) -> bool:
        """Reconnect these endpoints; returns when they are connected."""


class LogPort(Protocol):
    """Logs of tasks and agents."""

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """The log lines below `path` of the last `timeframe` seconds that match the regular expression."""


class TopologyPort(Protocol):
    """Dependencies, from which the downstream impact of a failure is derived."""

    async def agents_of(self, endpoint: str) -> Sequence[str]:
        """The agents of a network endpoint or group; none if it is not one of agents."""

    async def holders(self, pool: str) -> Sequence[str]:
        """The tasks that hold units of a pool."""

    async def waiters(self, pool: str) -> Sequence[str]:
        """The tasks that wait for units of a pool."""

    async def waiting(self, queue_id: str) -> Sequence[str]:
        """The tasks that wait in a queue."""


class AuditTrail(Protocol):
    """The record of everything that the core does.

    The core records the events in `recovery.audit.AUDIT_EVENTS`; a trail accepts their names as well, and raises
    ValueError for any other name. `incident` is the number of the incident, -1 outside of one. `text` explains the
    other fields to people; a compact trail may omit it. A trail with an attribute `omits_text` that is true is not
    given the text of an analysis, which takes longer to write than the rest of an entry.
    """

    def record(
        self,
        event: AuditEvent | str,
        incident: int,
        subject: str,
        detail: str = "",
        value: float | None = None,
        text: str = "",
    ) -> None:
        """Append one entry; must not block."""


OnDefect = Callable[[str, BaseException, int], None]
"""Called with where an exception was raised, the exception, and the number of the incident (-1: outside of one)."""


REPORTED = "_recovery_reported"
"""The attribute of an exception with the function that it was passed to, its incident and its time."""


def ignore_defect(where: str, error: BaseException, incident: int) -> None:
    """Does nothing: the audit trail has the text of the error."""


@dataclass(frozen=True, slots=True)
class System:
    """The system that is recovered: one implementation of each port.

    Without a topology, the impact has no downstream part. Without a journal, a restarted core continues no recovery.
    `on_defect` is called with each exception that is a defect of code and not a failure of the system
    (`recovery.errors.is_defect`): of a command, a policy, a port or the core itself. The core continues in any case:
    the try has failed, or the incident is escalated.
    """

    tasks: TaskPort
    agents: AgentPort
    resources: ResourcePort
    queues: QueuePort
    network: NetworkPort
    logs: LogPort
    store: TaskStore
    audit: AuditTrail
    topology: TopologyPort | None = None
    journal: Journal = NO_JOURNAL
    on_defect: OnDefect = ignore_defect

    def defect(self, where: str, error: BaseException, incident: int = -1, *, certain: bool = False) -> None:
        """Pass an exception to `on_defect` if it is a defect, the first time that it is caught.

        `certain`: it is a defect whatever its type, such as any exception of a retry policy.
        """
        if not (certain or is_defect(error)):
            return
        loop = asyncio._get_running_loop()
        raised = self.on_defect, incident, None if loop is None else loop.time()
        if getattr(error, REPORTED, None) == raised:  # caught again on its way out
            return
        with suppress(AttributeError):  # an exception without attributes
            setattr(error, REPORTED, raised)
        self.on_defect(where, error, incident)

    def keep(self, incident: Incident, policies: PolicyChanges = NOTHING) -> None:
        """Store the progress of a recovery in the journal, unless it is manual: those are not continued.

        `policies` are the states of policies that change with it.
        """
        if incident.number < 0:
            return
        if policies:
            self.journal.keep(incident, policies)
        else:
            self.journal.keep(incident)
