"""A minimal system that implements `recovery.ports` with dictionaries and lists.

A test breaks what it likes by setting an attribute, and reads from the attributes what became of it. `raises` and
`pauses` make a port's method raise or take virtual time; `calls` names every call that changes something.
"""

import asyncio
import re
from collections.abc import Callable

from recovery.audit import MemoryAudit
from recovery.model import (
    AgentHealth,
    Failure,
    FailureKind,
    LinkHealth,
    QueueHealth,
    ResourceHealth,
    Symptom,
    TaskStatus,
    TaskView,
)
from recovery.ports import System
from recovery.stores import PlainTaskStore, inline
from recovery.stores.memory import MemoryTaskStore

SYMPTOMS = {
    FailureKind.TASK: (("task_status", "failed"), ("error_code", "present")),
    FailureKind.RESOURCE: (("resource_status", "unavailable"), ("task_status", "blocked")),
    FailureKind.AGENT: (("agent_heartbeat", "missing"),),
    FailureKind.COMMUNICATION: (("message_delivery", "failed"), ("network_metrics", "degraded")),
}


def now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def failure_of(subject: str, kind: FailureKind = FailureKind.TASK, **info) -> Failure:
    """What the system would report."""
    symptoms = tuple(Symptom(name, value, subject) for name, value in SYMPTOMS[kind])
    return Failure(kind, subject, now(), info, symptoms)


class SmallSystem:
    def __init__(self, store: PlainTaskStore | None = None) -> None:
        self.store = MemoryTaskStore() if store is None else store
        self.audit = MemoryAudit(now)
        self.up = {"agent.0": True, "agent.1": True}
        self.unreachable: list[str] = []
        self.broken_links: list[tuple[str, ...]] = []
        self.holds: dict[str, list[str]] = {"agent.0": [], "agent.1": []}
        self.running: dict[str, str] = {}
        self.queue: list[str] = []
        self.blocked = False
        self.disconnected = None  # the endpoints for which the queue is blocked; None: all
        self.outbox: list[tuple[float, str]] = []
        self.delivered: list[str] = []
        self.units = {"gpu": 4}
        self.available = {"gpu": 4}
        self.needs: dict[str, dict[str, int]] = {}
        self.held: dict[str, dict[str, int]] = {}
        self.waiting_for: dict[str, list[str]] = {}
        self.errors: dict[str, str] = {}
        self.log: list[tuple[str, str]] = []
        self.raises: dict[str, Exception] = {}
        self.pauses: dict[str, float] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.calls: list[tuple] = []
        self.ports = System(
            tasks=Tasks(self),
            agents=Agents(self),
            resources=Resources(self),
            queues=Queues(self),
            network=Network(self),
            logs=Logs(self),
            store=inline(self.store),
            audit=self.audit,
            topology=Topology(self),
        )

    # ------------------------------------------------------------------------------ what happens in it
    def submit(self, task_id: str, **needs: int) -> None:
        self.store.register(task_id)
        self.needs[task_id] = needs
        self.queue.append(task_id)

    def start(self, task_id: str, agent_id: str = "agent.0") -> int:
        """The agent takes the task from the queue, with all that it needs."""
        self.queue.remove(task_id)
        self.running[task_id] = agent_id
        if task_id not in self.holds[agent_id]:
            self.holds[agent_id].append(task_id)
        self.held[task_id] = dict(self.needs[task_id])
        epoch = self.store.begin(task_id, agent_id)
        assert epoch is not None
        return epoch

    def fail(self, task_id: str, status: TaskStatus = TaskStatus.FAILED, code: str = "E1") -> None:
        """The attempt ends, and its resources stay allocated."""
        assert self.store.fail(task_id, self.store.epoch(task_id), status, code)
        self.holds[self.running.pop(task_id)].remove(task_id)
        self.errors[task_id] = code

    def failed(self, task_id: str, status: TaskStatus = TaskStatus.FAILED, **needs: int) -> None:
        """A task that was submitted, was started and has failed."""
        self.submit(task_id, **needs)
        self.start(task_id)
        self.fail(task_id, status)

    def free(self, name: str) -> int:
        return self.available[name] - sum(units.get(name, 0) for units in self.held.values())

    @property
    def trail(self) -> list[str]:
        """The audit trail as words: event, then detail where there is one."""
        return [f"{entry.event} {entry.detail}".strip() for entry in self.audit.entries]

    @property
    def timed_trail(self) -> list[tuple[float, str, str]]:
        return [(entry.at, entry.subject, f"{entry.event} {entry.detail}".strip()) for entry in self.audit.entries]

    async def called(self, name: str, *arguments: object, changes: bool = True) -> None:
        if changes:
            self.calls.append((name, *arguments))
        if name in self.before:
            self.before[name]()
        if name in self.pauses:
            await asyncio.sleep(self.pauses[name])
        if name in self.raises:
            raise self.raises[name]


class Port:
    def __init__(self, system: SmallSystem) -> None:
        self.of = system


class Tasks(Port):
    async def inspect(self, task_id):
        await self.of.called("inspect", changes=False)
        status = self.of.store.status(task_id)
        if status is None:
            return None
        return TaskView(
            task_id,
            status,
            self.of.store.epoch(task_id),
            agent=self.of.running.get(task_id),
            error_code=self.of.errors.get(task_id),
            waiting_in_queue=task_id in self.of.queue,
            needs=self.of.needs[task_id],
            held=dict(self.of.held.get(task_id, {})),
        )

    async def tasks_on(self, agent_id):
        return list(self.of.holds[agent_id])

    async def stop_attempts(self, task_id):
        await self.of.called("stop_attempts", task_id)
        agent_id = self.of.running.pop(task_id, None)
        if agent_id is not None:
            self.of.holds[agent_id].remove(task_id)

    async def enqueue(self, task_id, reason):
        await self.of.called("enqueue", task_id, reason)
        if task_id not in self.of.queue:
            self.of.queue.append(task_id)
        return True

    async def resume(self, task_id, resources):
        await self.of.called("resume", task_id, dict(resources))
        if task_id not in self.of.queue:
            self.of.queue.insert(0, task_id)
        return True

    async def give_up(self, task_id, reason):
        await self.of.called("give_up", task_id, reason)
        self.of.held.pop(task_id, None)
        if task_id in self.of.queue:
            self.of.queue.remove(task_id)
        agent_id = self.of.running.pop(task_id, None)
        if agent_id is not None:
            self.of.holds[agent_id].remove(task_id)


class Agents(Port):
    async def health(self, agent_id):
        await self.of.called("health", changes=False)
        reachable = agent_id not in self.of.unreachable
        return AgentHealth(agent_id, reachable, responding=reachable and self.of.up[agent_id])

    async def restart(self, agent_id):
        await self.of.called("restart", agent_id)
        self.of.up[agent_id] = agent_id not in self.of.unreachable
        return self.of.up[agent_id]


class Resources(Port):
    async def health(self, names):
        pools = [name for name in self.of.units if not names or name in names]
        return [
            ResourceHealth(name, self.of.units[name], self.of.available[name], self.of.free(name)) for name in pools
        ]

    async def requirements(self, task_id):
        await self.of.called("requirements", changes=False)
        return self.of.needs.get(task_id, {})

    async def held(self, task_id):
        return dict(self.of.held.get(task_id, {}))

    async def release(self, task_id):
        await self.of.called("release", task_id)
        return self.of.held.pop(task_id, {})

    async def allocate(self, task_id, requirements):
        await self.of.called("allocate", task_id, dict(requirements))
        if any(self.of.free(name) < units for name, units in requirements.items()):
            return None
        self.of.held[task_id] = dict(requirements)
        return dict(requirements)

    async def metrics(self, names, timeframe):
        return {name: self.of.available[name] / self.of.units[name] for name in names}


class Queues(Port):
    async def health(self, queue_ids):
        depth, undelivered = len(self.of.queue), len(self.of.outbox)
        return [QueueHealth("queue", self.of.blocked, depth, undelivered, self.of.disconnected)]

    async def replay(self, queue_ids, since):
        await self.of.called("replay", since)
        due = [message for at, message in self.of.outbox if at >= since]
        self.of.outbox = [(at, message) for at, message in self.of.outbox if at < since]
        self.of.delivered += due
        return len(due)


class Network(Port):
    async def status(self, endpoints):
        return [LinkHealth(tuple(endpoints), tuple(endpoints) not in self.of.broken_links)]

    async def reset(self, endpoints):
        await self.of.called("reset", tuple(endpoints))
        if tuple(endpoints) in self.of.broken_links:
            self.of.broken_links.remove(tuple(endpoints))
        return True


class Logs(Port):
    async def search(self, path, pattern, timeframe):
        return [line for file, line in self.of.log if file.startswith(path) and re.search(pattern, line)]


class Topology(Port):
    async def agents_of(self, endpoint):
        return [agent_id for agent_id in self.of.up if endpoint in {agent_id, "agents"}]

    async def holders(self, pool):
        return [task_id for task_id, held in self.of.held.items() if held.get(pool)]

    async def waiters(self, pool):
        return list(self.of.waiting_for.get(pool, ()))

    async def waiting(self, queue_id):
        return list(self.of.queue)
