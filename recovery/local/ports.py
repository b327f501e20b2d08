"""The ports of a local system: the store answers queries, and the fork server starts agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection

from recovery.detection.failure_detector import regular_heartbeat_timeout
from recovery.local import agent_registry, log_store, resource_pools, task_queue
from recovery.local.agent_registry import Beats
from recovery.local.beat_memory import BeatMemory
from recovery.local.config import LocalConfig
from recovery.model import AgentHealth, QueueHealth, ResourceHealth, TaskView
from recovery.null_ports import NoNetwork
from recovery.ports import System
from recovery.stores import threaded
from recovery.stores.database import Writable
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore

P = ParamSpec("P")
R = TypeVar("R")
QUEUE = "tasks"
"""The name of the queue."""
START_SECONDS = 10.0
"""The time limit of an agent's start in seconds."""
LOOK_SECONDS = 0.002
REGISTRY_SECONDS = 1.0
"""The seconds after which agents that have sent no heartbeat are looked for."""
StartAgent = Callable[[str], Awaitable[int]]
"""Starts an agent in place of the one with this name, and returns its process id."""


class Answers:
    """Queries and writes in threads, so that the event loop is not blocked."""

    def __init__(self, database: Writable) -> None:
        self._database = database

    async def ask(self, question: Callable[..., R], *args: Any) -> R:
        """Run a query on committed data."""
        return await asyncio.to_thread(self._database.read, lambda connection: question(connection, *args))

    async def change(self, work: Callable[..., R], *args: Any, **named: Any) -> R:
        """Write, and wait until the write is durable."""
        return await asyncio.to_thread(self._database.write, lambda connection: work(connection, *args, **named))


class LocalTasks(Answers):
    """Implements `recovery.ports.TaskPort`. A task of which `most` attempts have started is not queued again."""

    def __init__(self, database: Writable, *, at_head: bool, most: int | None = None) -> None:
        super().__init__(database)
        self._at_head = at_head
        self._most = most

    async def inspect(self, task_id: str) -> TaskView | None:
        """Probe the task; None if it is unknown."""
        return await self.ask(task_queue.view, task_id)

    async def tasks_on(self, agent_id: str) -> Sequence[str]:
        """The tasks that the agent has started and that are not finished."""
        return await self.ask(task_queue.had_by, agent_id)

    async def stop_attempts(self, task_id: str) -> None:
        """Remove the task from its agent. A running attempt notices that at its next checkpoint or commit."""
        await self.change(_stop, task_id)

    async def enqueue(self, task_id: str, reason: str) -> bool:
        """Queue the task, at the configured end of the queue."""
        return await self.change(task_queue.enqueue, task_id, at_head=self._at_head, most=self._most)

    async def resume(self, task_id: str, resources: Mapping[str, int]) -> bool:
        """Queue the task at the head, because it holds its resources."""
        return await self.change(task_queue.enqueue, task_id, at_head=True, most=self._most)

    async def give_up(self, task_id: str, reason: str) -> None:
        """Remove the task from the queue, and release its resources."""
        await self.change(_give_up, task_id)


def _stop(connection: Connection, task_id: str) -> None:
    found = task_queue.find(connection, task_id)
    if found is not None and not found.waits:
        task_queue.let_go(connection, task_id)


def _give_up(connection: Connection, task_id: str) -> None:
    task_queue.let_go(connection, task_id)
    resource_pools.release(connection, task_id)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The latest heartbeat of an agent, and when it was read (s of the loop's clock); `surely` if it is new."""

    beat: tuple[int, int]
    at: float
    surely: bool


class LocalAgents(Answers):
    """Implements `recovery.ports.AgentPort`. Heartbeats are in `beats`, or else in the database.

    With `beats`, the agents in the database are read only every `REGISTRY_SECONDS`, to find those that have sent no
    heartbeat. An agent responds if a new heartbeat was read within the last `timeout` seconds of the loop's clock. The
    clocks of agents are not used, and neither are heartbeats from before the first read.
    """

    def __init__(self, database: Writable, beats: BeatMemory | None, start: StartAgent, timeout: float) -> None:
        super().__init__(database)
        self._beats = beats
        self._registered: list[Beats] = []
        self._registry_due = 0.0
        self._start = start
        self._timeout = timeout
        self._seen: dict[str, _Seen] = {}

    async def beaten(self) -> list[Beats]:
        """The agents with a new heartbeat since the last call; all of them at first."""
        return [agent for agent in await self._known() if self._note(agent)]

    def _note(self, agent: Beats) -> bool:
        """Whether this heartbeat is new."""
        beat = agent.incarnation, agent.beats
        known = self._seen.get(agent.name)
        if known is not None and known.beat == beat:
            return False
        self._seen[agent.name] = _Seen(beat, _now(), surely=known is not None)
        return True

    async def health(self, agent_id: str) -> AgentHealth:
        """Wait for a heartbeat. All agents of one machine are reachable."""
        return AgentHealth(agent_id, reachable=True, responding=await self._responds(agent_id))

    async def _responds(self, agent_id: str) -> bool:
        while True:
            found = await self._find(agent_id)
            if found is None:
                return False
            seen = self._seen.get(agent_id)
            if seen is not None and seen.beat != (found.incarnation, found.beats):
                return True  # not stored, so that the detector gets it
            if seen is None:
                self._note(found)
            elif seen.surely or _now() - seen.at > self._timeout:
                return _now() - seen.at <= self._timeout
            await asyncio.sleep(LOOK_SECONDS)

    async def restart(self, agent_id: str) -> bool:
        """Stop the agent, and start another one; returns with its first heartbeat.

        A process that is stopped or hangs is not killed, as one on another machine could not be. If it continues, it is
        fenced.
        """
        pid = await self._start(agent_id)
        until = _now() + START_SECONDS
        while _now() < until:
            found = await self._find(agent_id)
            if found is not None and found.pid == pid:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    async def _find(self, agent_id: str) -> Beats | None:
        return next((agent for agent in await self._known() if agent.name == agent_id), None)

    async def _known(self) -> list[Beats]:
        """All agents, ordered by name, with their latest heartbeats."""
        if self._beats is None:
            return await self.ask(agent_registry.known)
        if _now() >= self._registry_due:
            self._registered = await self.ask(agent_registry.known)
            self._registry_due = _now() + REGISTRY_SECONDS
        known = {agent.name: agent for agent in self._registered}
        for agent in self._beats.beats():
            registered = known.get(agent.name)
            if registered is None or registered.incarnation <= agent.incarnation:
                known[agent.name] = agent
        return [known[name] for name in sorted(known)]


class LocalResources(Answers):
    """Implements `recovery.ports.ResourcePort`."""

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """Probe pools."""
        return await self.ask(resource_pools.health, names)

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that the task needs."""
        found = await self.ask(task_queue.find, task_id)
        return {} if found is None else found.needs

    async def held(self, task_id: str) -> Mapping[str, int]:
        """The units by pool that the task holds."""
        return await self.ask(resource_pools.held, task_id)

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Release all resources of the task, and return them."""
        return await self.change(resource_pools.release, task_id)

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocate everything now, or nothing (None)."""
        return dict(requirements) if await self.change(resource_pools.allocate, task_id, requirements) else None

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """The share of units in service now; the store has no history."""
        return {pool.name: pool.available / pool.units for pool in await self.health(names) if pool.units}


class LocalQueue(Answers):
    """Implements `recovery.ports.QueuePort` for the queue in the store, which cannot be blocked."""

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """Probe the queue."""
        if queue_ids and QUEUE not in queue_ids:
            return []
        return [QueueHealth(QUEUE, blocked=False, depth=await self.ask(task_queue.depth), undelivered=0)]

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Returns 0: tasks are in the store, and never undelivered."""
        return 0


class LocalLogs(Answers):
    """Implements `recovery.ports.LogPort`."""

    async def search(self, path: str, pattern: str, timeframe: float) -> Sequence[str]:
        """The log lines below `path` of the last `timeframe` seconds that match."""
        return await self.ask(log_store.search, path, pattern, time.time() - timeframe)


def _now() -> float:
    return asyncio.get_running_loop().time()


def ahead() -> float:
    """The seconds by which the wall clock is ahead of the loop's clock."""
    return time.time() - _now()


def local_ports(
    database: Writable, start: StartAgent, config: LocalConfig, beats: BeatMemory | None = None
) -> tuple[System, LocalAgents]:
    """The ports of a local system, and its agent port, which is polled for heartbeats.

    `beats` has the heartbeats, if the database has not.
    """
    detection = config.recovery.detection
    timeout = min(regular_heartbeat_timeout(detection), 2 * detection.heartbeat_interval)
    agents = LocalAgents(database, beats, start, timeout)
    system = System(
        tasks=LocalTasks(database, at_head=config.requeue == "head", most=config.max_deliveries),
        agents=agents,
        resources=LocalResources(database),
        queues=LocalQueue(database),
        network=NoNetwork(),  # processes communicate through the store
        logs=LocalLogs(database),
        store=threaded(SqlTaskStore(database)),
        audit=SqlAudit(database, time.time),
        journal=SqlJournal(database, partial(ahead)),
    )
    return system, agents
