"""The world as the recovery core accesses it: implementations of `recovery.ports`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from recovery.model import FINISHED, AgentHealth, LinkHealth, QueueHealth, ResourceHealth, TaskStatus, TaskView
from sim.history import Event
from sim.loop import SimLoop
from sim.world.agents.restarts import Restarts
from sim.world.entities import task_number
from sim.world.resources import Pool
from sim.world.world import World


class WorldTasks:
    """Implements `recovery.ports.TaskPort`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def inspect(self, task_id: str) -> TaskView | None:
        """The observable state of a task."""
        world = self._world
        status = world.store.status(task_id)
        if status is None:
            return None
        task = world.tasks.get(task_number(task_id))
        holder = None if task is None else task.agent
        if task is not None and task.attempts:
            holder = task.attempts[-1].agent
        return TaskView(
            task_id,
            status,
            world.store.epoch(task_id),
            agent=None if holder is None else holder.name,
            error_code=None if task is None or status is TaskStatus.RUNNING else task.error,
            waiting_in_queue=task is not None and (task.lines > 0 or task.leased > 0),
            needs=world.needs_of(task),
            held=world.pools.held(task_number(task_id)),
            kind=None if task is None or not task.kind else task.kind,
        )

    async def tasks_on(self, agent_id: str) -> Sequence[str]:
        """Tasks that were delivered to the agent and not settled since."""
        return [task.name for task in self._world.agent(agent_id).holds]

    async def stop_attempts(self, task_id: str) -> None:
        """Stops the attempts that the core can reach; a hung or disconnected agent is not reached."""
        task = self._world.tasks.get(task_number(task_id))
        if task is not None:
            self._world.stop_attempts(task)

    async def enqueue(self, task_id: str, reason: str) -> bool:
        """Queues the task for execution, or delivers it to the agent that has kept a slot for it.

        False: it is unknown, or a dead letter because it was delivered as often as allowed.
        """
        task = self._world.tasks.get(task_number(task_id))
        if task is None:
            return False
        self._world.agents.give_back_leftovers(task)
        task.void_deliveries = task.deliveries
        if task.lines > 0:
            self._world.agents.free_keeper(task)
            return True
        keeper = self._world.agents.take_keeper(task)
        if keeper is not None:
            return self._world.queue.deliver_to(task, keeper, reason)
        return self._world.queue.enter(task, reason, at_head=self._world.retries_at_head(task.kind))

    async def resume(self, task_id: str, resources: Mapping[str, int]) -> bool:
        """Resumes a blocked task with its allocation, ahead of tasks that hold nothing."""
        task = self._world.tasks.get(task_number(task_id))
        if task is None or self._world.pools.reserved(task.number) is None:
            return False
        task.void_deliveries = task.deliveries
        if task.lines > 0:
            self._world.agents.free_keeper(task)
            return True
        keeper = self._world.agents.take_keeper(task)
        if keeper is not None:
            return self._world.queue.deliver_to(task, keeper, "migrated")
        return self._world.queue.enter(task, "migrated", at_head=True)

    async def give_up(self, task_id: str, reason: str) -> None:
        """Ends the automatic recovery of a task, which is escalated: it holds nothing and is not queued."""
        self._world.give_up(task_number(task_id), reason)


class WorldAgents:
    """Implements `recovery.ports.AgentPort`."""

    def __init__(self, world: World, restarts: Restarts) -> None:
        self._world = world
        self._restarts = restarts

    async def health(self, agent_id: str) -> AgentHealth:
        """Probe one agent."""
        agent = self._world.agent(agent_id)
        reachable = self._world.reachable(agent)
        return AgentHealth(agent_id, reachable, responding=reachable and agent.responding)

    async def restart(self, agent_id: str) -> bool:
        """Stops the agent and starts it again."""
        agent = self._world.agent(agent_id)
        if not self._world.reachable(agent):
            return False
        await self._restarts.restart(agent)
        return True


class WorldResources:
    """Implements `recovery.ports.ResourcePort`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pools = world.pools
        self._store = world.store

    def _named(self, names: Sequence[str]) -> list[Pool]:
        return [pool for pool in self._pools.pools.values() if not names or pool.name in names]

    async def health(self, names: Sequence[str]) -> Sequence[ResourceHealth]:
        """Probe pools."""
        return [ResourceHealth(pool.name, pool.units, pool.available, pool.free) for pool in self._named(names)]

    async def requirements(self, task_id: str) -> Mapping[str, int]:
        """What the task needs."""
        return self._world.needs_of(self._world.tasks.get(task_number(task_id)))

    async def held(self, task_id: str) -> Mapping[str, int]:
        """What the task holds."""
        return self._pools.held(task_number(task_id))

    async def release(self, task_id: str) -> Mapping[str, int]:
        """Give back all that the task holds."""
        return self._pools.release_all(task_number(task_id))

    async def allocate(self, task_id: str, requirements: Mapping[str, int]) -> Mapping[str, int] | None:
        """Allocates for the task's next attempt, unless the task is finished."""
        if self._store.status(task_id) in FINISHED:
            return None
        allocation = self._pools.allocate_now(task_number(task_id), requirements)
        return None if allocation is None else allocation.units

    async def metrics(self, names: Sequence[str], timeframe: float) -> Mapping[str, float]:
        """Share of units in service now; earlier values are not stored."""
        return {pool.name: pool.available / pool.units for pool in self._named(names)}


class WorldQueue:
    """Implements `recovery.ports.QueuePort`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def health(self, queue_ids: Sequence[str]) -> Sequence[QueueHealth]:
        """Probe the queue."""
        queue, network = self._world.queue, self._world.network
        if queue_ids and queue.name not in queue_ids:
            return []
        undelivered = Counter(end for unsent in network.outbox for end in unsent.link.ends(queue.name))
        disconnected = dict.fromkeys(end for link in queue.broken_links for end in link.ends(queue.name))
        return [
            QueueHealth(
                queue.name,
                queue.blocked,
                queue.depth,
                len(network.outbox),
                disconnected=None if queue.stopped else tuple(disconnected),
                undelivered_by=dict(undelivered),
            )
        ]

    async def replay(self, queue_ids: Sequence[str], since: float) -> int:
        """Sends the messages again that could not be sent since that time."""
        if queue_ids and self._world.queue.name not in queue_ids:
            return 0
        sent = self._world.network.replay(since)
        self._world.history.record(Event.QUEUE_REPLAYED, value=float(sent))
        return sent


class WorldNetwork:
    """Implements `recovery.ports.NetworkPort`."""

    def __init__(self, world: World, loop: SimLoop) -> None:
        self._network = world.network
        self._loop = loop

    async def status(self, endpoints: Sequence[str]) -> Sequence[LinkHealth]:
        """Probe the connections between endpoints, two by two."""
        pairs = combinations(endpoints, 2)
        return [LinkHealth(pair, connected=self._network.broken_link(*pair) is None) for pair in pairs]

    async def reset(self, endpoints: Sequence[str]) -> bool:
        """Reconnects as soon as the partitions end."""
        while broken := self._network.broken_among(endpoints):  # one may be cut while another one is awaited
            for link in broken:
                while not self._network.reconnect(link):
                    await self._loop.wait(link.healed)
        return True
