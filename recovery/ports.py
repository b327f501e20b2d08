"""What the core asks of the system that it recovers.

Each port is a small protocol; anybody's own system can implement them. Methods that may take time are coroutines. A
task store of plain calls becomes a port by `recovery.stores.inline`, or by `recovery.stores.threaded` where they block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from recovery.audit import AuditEvent
from recovery.journal import NO_JOURNAL, Journal
from recovery.model import (
    AgentHealth,
    Checkpoint,
    Incident,
    LinkHealth,
    QueueHealth,
    ResourceHealth,
    TaskStatus,
    TaskView,
)


class TaskStore(Protocol):
    """Authoritative task state: who may act on a task, under which epoch, from which checkpoint.

    Every attempt holds an epoch, one higher than the last. `fence` declares all epochs so far void: what they commit,
    fail or save afterwards is refused. The first commit that is accepted completes the task; later ones are refused.
    """

    async def register(self, task_id: str) -> None:
        """A task was accepted: status queued, epoch 0. Raises ValueError when there is one of this name."""

    async def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt and return its epoch; None when the task is already finished (completed or escalated)."""

    async def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused (fenced, or another attempt was first)."""

    async def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """An attempt reports that it ended as failed or blocked. False: refused (fenced or finished)."""

    async def fence(self, task_id: str) -> int:
        """Void every epoch handed out so far; returns the highest of them."""

    async def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether an attempt may still act: not fenced, task not finished."""

    async def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Status queued again. False when the task is finished, or runs under an epoch above `fenced`."""

    async def escalate(self, task_id: str, reason: str) -> bool:
        """Status escalated: automatic recovery gave up. False when the task is finished."""

    async def status(self, task_id: str) -> TaskStatus | None:
        """Where the task stands; None for an unknown one."""

    async def halted(self) -> Sequence[str]:
        """Tasks that are failed or blocked, and so go on only when somebody recovers them; the longest halted first."""

    async def epoch(self, task_id: str) -> int:
        """The latest epoch handed out, 0 before the first attempt."""

    async def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """There has been a retry of this number, from 1, for failures of this kind. Said twice, it counts once."""

    async def retries(self, task_id: str, kind: str) -> int:
        """Retries so far for failures of this kind."""

    async def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint; None when refused (fenced). Raises ValueError for a state that cannot be kept."""

    async def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """What can be read of what is stored, oldest first, valid or not."""

    async def last_checkpoint(self, task_id: str) -> int:
        """Sequence of the last checkpoint that was acknowledged, 0 before the first: part of the task's state, and so
        never behind, as what a replica says of `checkpoints` may be.
        """

    async def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt has to start, as set by `set_restore_point`."""

    async def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Choose the checkpoint from which the next attempt starts; None: from the beginning."""


class TaskPort(Protocol):
    """The tasks and who executes them."""

    async def inspect(self, task_id: str) -> TaskView | None:
        """The task as seen from outside, None when it is unknown."""

    async def tasks_on(self, agent_id: str) -> Sequence[str]:
        """Tasks that the agent holds (delivered and not settled), in order of delivery."""

    async def stop_attempts(self, task_id: str) -> None:
        """Make every attempt at the task that can be reached stop; idempotent."""

    async def enqueue(self, task_id: str, reason: str) -> bool:
        """Queue the task for execution; True also when it waits there already."""

    async def resume(self, task_id: str, resources: Mapping[str, int]) -> bool:
        """Let a blocked task go on with resources that were allocated for it."""

    async def give_up(self, task_id: str, reason: str) -> None:
        """The core hands the task to an operator: free what the world still keeps for it."""


class AgentPort(Protocol):
    """The agents."""

    async def health(self, agent_id: str) -> AgentHealth:
        """Probe one agent."""

    async def restart(self, agent_id: str) -> bool:
        """Stop what is left of the agent and start it; returns when it is up. False: it cannot be reached."""


class ResourcePort(Protocol):
    """Pools of resources."""

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """Probe pools; all of them when `names` is empty."""

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """What the task needs, in units by pool."""

    async def held(self, task_id: str) -> Mapping[str, int]:
        """What is allocated to the task now."""

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Give back all that the task holds; returns what was released (empty the second time)."""

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocate all of it at once, now; None when that is not possible."""

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """Share of units in service by pool over the last `timeframe` seconds."""


class QueuePort(Protocol):
    """Task queues."""

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """Probe queues; all of them when `queue_ids` is empty."""

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Send again what could not be delivered since that time; returns how many messages."""


class NetworkPort(Protocol):
    """The network between named endpoints."""

    async def status(self, endpoints: Sequence[str]) -> Sequence[LinkHealth]:
        """Probe the connections between these endpoints."""

    async def reset(self, endpoints: Sequence[str]) -> bool:
        """Reconnect these endpoints; returns when they are connected."""


class LogPort(Protocol):
    """Logs of tasks and agents."""

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """Lines below `path` that match the regular expression, of the last `timeframe` seconds."""


class TopologyPort(Protocol):
    """Who depends on what: all that it takes to say whom a failure hits downstream."""

    async def agents_of(self, endpoint: str) -> Sequence[str]:
        """The agents that a network endpoint or group stands for; none when it stands for something else."""

    async def holders(self, pool: str) -> Sequence[str]:
        """Tasks that hold units of a pool."""

    async def waiters(self, pool: str) -> Sequence[str]:
        """Tasks that wait for units of a pool."""

    async def waiting(self, queue_id: str) -> Sequence[str]:
        """Tasks in the waiting line of a queue."""


class AuditTrail(Protocol):
    """The record of everything that the core does.

    The core records the events in `recovery.audit.AUDIT_EVENTS`; a trail accepts their names as well, and raises
    ValueError for any other name. `incident` is the number of the incident, -1 outside of one. `text` explains the
    other fields to people; a compact trail may omit it.
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


@dataclass(frozen=True, slots=True)
class System:
    """The system that is recovered: one implementation of each port.

    Without a topology, impact stays direct; without a journal, a core that ends forgets what it was about.
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

    def keep(self, incident: Incident) -> None:
        """Keep how far a recovery has come. What somebody recovers by hand is not gone on with by itself."""
        if incident.number >= 0:
            self.journal.keep(incident)
