"""Several queues, kinds of tasks with priorities, and pools of agents that take some kinds only.

Each queue is a `TaskQueue` with its own settings, deliveries and leases. The agents that wait for work are common to
all: an agent with a free slot takes, of the tasks that it may, the one with the highest priority, and of these the one
that has waited longest. Nothing is interrupted for a task with a higher priority.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import simpy

from scenarios.schema import ScenarioFields
from scenarios.sections.infrastructure import QueueSettings
from sim.history import Event, History
from sim.randomness.streams import Streams
from sim.world.clocks import Clock
from sim.world.entities import Agent, Task
from sim.world.links import Link
from sim.world.network import Network
from sim.world.queue import TaskQueue, WorkSource


@dataclass(eq=False, slots=True)
class Lane:
    """The entries of one kind of tasks, in order; each has a number, by which those of several lanes are ordered."""

    kind: str
    priority: int
    queue: SharedQueue
    pools: tuple[str, ...]
    entries: deque[tuple[int, Task]] = field(default_factory=deque)

    @property
    def first(self) -> int | None:
        """The number of its first entry; None: it is empty. Entries of withdrawn tasks are dropped."""
        while self.entries and self.entries[0][1].lines == 0:
            self.entries.popleft()
        return self.entries[0][0] if self.entries else None


class SharedQueue(TaskQueue):
    """One of the queues of a group. `lanes` has those of its kinds of tasks, once the group has made them."""

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        streams: Streams,
        network: Network,
        settings: QueueSettings,
        group: QueueGroup,
        label: str,
    ) -> None:
        super().__init__(env, history, streams, network, settings)
        self._group = group
        self.label = label
        self.lanes: dict[str, Lane] = {}
        self._base_duplication = settings.duplication

    @property
    def waiting(self) -> list[Task]:
        """Queued tasks in order, each once."""
        entries = sorted((entry for lane in self.lanes.values() for entry in lane.entries), key=lambda entry: entry[0])
        return list(dict.fromkeys(task for _, task in entries if task.lines > 0))

    def duplicate_also(self, probability: float) -> None:
        """Duplicates deliveries with this probability in addition to its own."""
        self.duplication = 1 - (1 - self._base_duplication) * (1 - probability)

    def has_no_room(self, kind: str) -> bool:
        """Whether a task of this kind is rejected now: no room in the queue, and no free agent that takes it."""
        capacity = self._settings.capacity
        return capacity is not None and self._depth >= capacity and not self._group.has_idle(kind)

    def _line_up(self, task: Task, at_head: bool) -> None:
        entries = self.lanes[task.kind].entries
        if at_head:
            entries.appendleft((-next(self._group.numbers), task))
        else:
            entries.append((next(self._group.numbers), task))

    def take(self, lane: Lane) -> Task:
        """Removes the first task of a lane that is not empty."""
        _, task = lane.entries.popleft()
        task.lines -= 1
        self._depth -= 1
        return task

    def deliver(self, task: Task, agent: Agent) -> None:
        """Delivers a task that was taken."""
        self._deliver(task, agent)

    def dispatch(self) -> None:
        """Delivers queued tasks of all queues while agents wait for them."""
        self._group.dispatch()

    def free_slot(self, agent: Agent) -> None:
        """Frees a slot of an agent, which takes the next task as soon as it can."""
        self._group.free_slot(agent)


class QueueGroup(WorkSource):
    """The queues of a scenario, and the agents that wait for work of any of them."""

    name = "queue"

    def __init__(
        self, env: simpy.Environment, history: History, streams: Streams, network: Network, scenario: ScenarioFields
    ) -> None:
        self._history = history
        self._network = network
        self.numbers = count(1)
        settings = {"": scenario.queue, **scenario.queues}
        self._queues = {
            name: SharedQueue(env, history, streams, network, each, self, f"queue.{name}" if name else self.name)
            for name, each in settings.items()
        }
        pools = scenario.agents.pools
        self._lanes: list[Lane] = []
        for kind in scenario.tasks.kinds or ("",):
            of_kind = scenario.tasks.kinds.get(kind)
            queue = self._queues[(of_kind.queue if of_kind is not None else None) or ""]
            takers = tuple(name for name, pool in pools.items() if pool.takes is None or kind in pool.takes)
            lane = Lane(kind, 0 if of_kind is None else of_kind.priority, queue, takers or ("",))
            queue.lanes[kind] = lane
            self._lanes.append(lane)
        self._lane_of = {lane.kind: lane for lane in self._lanes}
        self._pool_of = [scenario.agents.pool_of(number) for number in range(scenario.agents.count)]
        self._idle: dict[str, OrderedDict[Agent, int]] = {name: OrderedDict() for name in (*pools, "")}
        self._unreachable: dict[Agent, Link] = {}
        self._turns = count()
        self._dispatching = False

    @property
    def parts(self) -> Sequence[TaskQueue]:
        """The queues."""
        return tuple(self._queues.values())

    def _of(self, task: Task) -> SharedQueue:
        return self._lane_of[task.kind].queue

    # ------------------------------------------------------------------- state
    @property
    def depth(self) -> int:
        """Number of queued tasks, of all queues."""
        return sum(queue.depth for queue in self._queues.values())

    def depth_of(self, name: str) -> int:
        """Number of queued tasks of one queue."""
        return self._queues[name].depth

    @property
    def waiting(self) -> list[Task]:
        """Queued tasks, queue by queue, each once."""
        return [task for queue in self._queues.values() for task in queue.waiting]

    @property
    def stopped(self) -> bool:
        """Whether deliveries of a queue are blocked."""
        return any(queue.stopped for queue in self._queues.values())

    @property
    def blocked(self) -> bool:
        """Whether deliveries of a queue are blocked, or an agent that waits for work is disconnected."""
        return self.stopped or bool(self._unreachable)

    @property
    def duplication(self) -> float:
        """The probability that a delivery of any queue arrives twice, in addition to that of its settings."""
        return 0.0

    @duplication.setter
    def duplication(self, probability: float) -> None:
        for queue in self._queues.values():
            queue.duplicate_also(probability)

    @property
    def clock(self) -> QueueClocks:
        """The clock of the queues."""
        return QueueClocks([queue.clock for queue in self._queues.values()])

    def has_no_room(self, kind: str) -> bool:
        """Whether a task of this kind is rejected now."""
        return self._lane_of[kind].queue.has_no_room(kind)

    def has_idle(self, kind: str) -> bool:
        """Whether an agent that takes this kind of tasks waits for work."""
        return any(self._idle[pool] for pool in self._lane_of[kind].pools)

    def block(self, name: str | None = None) -> Callable[[], None]:
        """Blocks the deliveries of a queue (None: of all); returns the function that ends it."""
        ends = [queue.block() for key, queue in self._queues.items() if name in (None, key)]

        def end() -> None:
            for each in ends:
                each()

        return end

    # ------------------------------------------------------------------- deliveries
    def _candidates(self) -> Iterator[Lane]:
        """The lanes with a task that may be delivered, the next one first."""
        waiting = [
            (-lane.priority, first, lane)
            for lane in self._lanes
            if not lane.queue.stopped and (first := lane.first) is not None
        ]
        waiting.sort(key=lambda each: each[:2])
        return (lane for *_, lane in waiting)

    def _idle_for(self, lane: Lane) -> Agent | None:
        """The agent that has waited longest for work of those that take a kind of tasks."""
        found: tuple[int, Agent] | None = None
        for pool in lane.pools:
            idle = self._idle[pool]
            if idle:
                agent = next(iter(idle))
                if found is None or idle[agent] < found[0]:
                    found = idle[agent], agent
        return None if found is None else found[1]

    def _next(self) -> tuple[Lane, Agent] | None:
        for lane in self._candidates():
            agent = self._idle_for(lane)
            if agent is not None:
                return lane, agent
        return None

    def dispatch(self) -> None:
        """Delivers queued tasks while agents wait for them: the highest priority first, then the longest wait."""
        if self._dispatching:  # called within a delivery: the loop below continues
            return
        self._dispatching = True
        while (found := self._next()) is not None:
            lane, agent = found
            idle = self._idle[self._pool_of[agent.number]]
            del idle[agent]
            if not self._network.transparent and (link := self._network.broken_link(self.name, agent.name)):
                self._unreachable[agent] = link
                task = lane.entries[0][1]
                self._history.record(Event.SEND_FAILED, task.number, agent.number, detail="delivery", about=link.name)
                self._network.listener.send_failed(link)
                continue
            task = lane.queue.take(lane)
            agent.free_slots -= 1
            if agent.free_slots > 0:
                idle[agent] = next(self._turns)
            lane.queue.deliver(task, agent)
        self._dispatching = False

    def wait_for_work(self, agent: Agent) -> None:
        """Registers an agent with a free slot."""
        if agent not in self._unreachable:
            self._add_idle(agent)
        self.dispatch()

    def _add_idle(self, agent: Agent) -> None:
        idle = self._idle[self._pool_of[agent.number]]
        if agent not in idle:
            idle[agent] = next(self._turns)

    def forget(self, agent: Agent) -> None:
        """Removes an agent from those that wait for work."""
        self._idle[self._pool_of[agent.number]].pop(agent, None)
        self._unreachable.pop(agent, None)

    # ------------------------------------------------------------------- of the queue of a task
    def may_be_delivered(self, task: Task) -> bool:
        """Whether the task was delivered less often than `max_deliveries` of its queue allows."""
        return self._of(task).may_be_delivered(task)

    def enter(self, task: Task, reason: str, at_head: bool = False) -> bool:
        """Adds a task to its queue. False: it was delivered as often as allowed, and is a dead letter now."""
        return self._of(task).enter(task, reason, at_head)

    def deliver_to(self, task: Task, agent: Agent, reason: str) -> bool:
        """Delivers to an agent that has kept a slot for the task, ahead of queued tasks. False: as for `enter`."""
        return self._of(task).deliver_to(task, agent, reason)

    def acknowledge(self, task: Task, agent: Agent) -> None:
        """Releases a task whose effect is final."""
        self._of(task).acknowledge(task, agent)

    def settle(self, task: Task, delivery: int) -> None:
        """Releases a task that the recovery core has taken over with this delivery."""
        self._of(task).settle(task, delivery)

    def withdraw(self, task: Task, reason: str) -> None:
        """Withdraws all entries of a finished task."""
        self._of(task).withdraw(task, reason)


Queue = TaskQueue | QueueGroup
"""The queue of a scenario, or all of them."""


def needs_group(scenario: ScenarioFields) -> bool:
    """Whether a scenario has several queues, pools of agents or priorities."""
    priorities = {kind.priority for kind in scenario.tasks.kinds.values()}
    return bool(scenario.queues or scenario.agents.pools) or len(priorities) > 1


@dataclass(frozen=True)
class QueueClocks:
    """The clocks of all queues, which are one."""

    clocks: Sequence[Clock]

    def skew(self, offset: float, speed: float) -> Callable[[], None]:
        """Sets the clocks wrong; returns the function that ends it."""
        ends = [clock.skew(offset, speed) for clock in self.clocks]

        def end() -> None:
            for each in ends:
                each()

        return end
