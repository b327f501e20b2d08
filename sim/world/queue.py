"""A task queue with at-least-once delivery and leases.

A task waits in the queue until it is delivered to a connected agent with a free slot, or with room for a prefetched
delivery. The delivery is leased until it
is acknowledged, and repeated when the lease expires. The queue releases a task when its effect is final (acknowledged)
or when the recovery core has taken it over (settled).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from operator import itemgetter

import simpy

from scenarios.sections.infrastructure import QueueSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after_all, disarm
from sim.randomness.delays import drawn_delays
from sim.randomness.streams import Repeated, Streams
from sim.world.clocks import Clock
from sim.world.entities import Agent, Task
from sim.world.links import Link
from sim.world.listeners import Connection, DeliveryReceiver, QueueListener
from sim.world.network import Network


class WorkSource(ABC):
    """Agents with a free slot wait for work of it; those that cannot be reached wait for their link."""

    name = "queue"
    _network: Network
    _unreachable: dict[Agent, Link]

    @property
    def broken_links(self) -> list[Link]:
        """The broken links of agents that wait for work, in the order of the failed deliveries."""
        return list(dict.fromkeys(self._unreachable.values()))

    def free_slot(self, agent: Agent) -> None:
        """Frees a slot of an agent, which takes the next task as soon as it can."""
        agent.free_slots += 1
        if agent.responding:
            self.wait_for_work(agent)

    def reconnect(self) -> None:
        """Delivers to agents that are connected again, and tries those that another broken link disconnects."""
        for agent, reported in list(self._unreachable.items()):
            if self._network.broken_link(self.name, agent.name) is not reported:
                del self._unreachable[agent]
                self._add_idle(agent)
        self.dispatch()

    @abstractmethod
    def wait_for_work(self, agent: Agent) -> None:
        """Registers an agent with a free slot."""

    @abstractmethod
    def dispatch(self) -> None:
        """Delivers queued tasks in order while an agent waits for work."""

    @abstractmethod
    def _add_idle(self, agent: Agent) -> None:
        """Adds an agent to those that wait for work."""


class TaskQueue(WorkSource):
    """Queued tasks, agents that wait for work, and leases."""

    label = "queue"
    receiver: Connection[DeliveryReceiver]
    listener: Connection[QueueListener]

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        streams: Streams,
        network: Network,
        settings: QueueSettings,
    ) -> None:
        self._env = env
        self._history = history
        self._network = network
        self._settings = settings
        self._line: deque[Task] = deque()
        self._depth = 0  # entries of the queue; an entry of a withdrawn task is dropped when it is the first
        self._dispatching = False
        self._idle: OrderedDict[Agent, None] = (
            OrderedDict()
        )  # with a free slot, longest waiting first; its first entry is cheap to get
        self._unreachable: dict[Agent, Link] = {}  # agents with a free slot, and the broken link that was reported
        self._leases: deque[tuple[float, Task, int]] = deque()
        self._lease_timer: Timer | None = None
        self.clock = Clock(env, lambda _: self._watch_leases())  # determines the leases of deliveries
        self._latency = Repeated(streams, "queue.latency", settings.latency)
        self._wait = drawn_delays(env, streams, "queue.latency", settings.latency)
        self._delivery_draws = Repeated(streams, "queue.loss")
        self._ack_draws = Repeated(streams, "queue.ack_loss")
        self._duplication_draws = Repeated(streams, "queue.duplication")
        self.duplication = settings.duplication
        self._blocks = 0  # number of faults that block deliveries

    # ------------------------------------------------------------------- waiting line
    @property
    def depth(self) -> int:
        """Number of queued tasks."""
        return self._depth

    @property
    def waiting(self) -> list[Task]:
        """Queued tasks in order, each once."""
        return list(dict.fromkeys(task for task in self._line if task.lines > 0))

    @property
    def blocked(self) -> bool:
        """Whether deliveries are blocked, or an agent that waits for work is disconnected."""
        return self.stopped or bool(self._unreachable)

    @property
    def stopped(self) -> bool:
        """Whether deliveries to every agent are blocked."""
        return self._blocks > 0

    @property
    def duplication(self) -> float:
        """The probability that a delivery arrives twice."""
        return self._duplication

    @duplication.setter
    def duplication(self, probability: float) -> None:
        self._duplication = probability
        settings = self._settings
        self._direct = settings.latency.constant == 0 and settings.loss == 0 and probability == 0

    @property
    def parts(self) -> Sequence[TaskQueue]:
        """The queues of which it consists: itself."""
        return (self,)

    def block(self, name: str | None = None) -> Callable[[], None]:
        """Blocks deliveries until each function that this returns was called. There is no queue with another `name`."""
        self._blocks += 1
        if self._blocks == 1:
            self._history.record(Event.QUEUE_BLOCKED, about=self.label)
        return self._unblock

    def _unblock(self) -> None:
        self._blocks -= 1
        if self._blocks == 0:
            self._history.record(Event.QUEUE_UNBLOCKED, about=self.label)
            self.dispatch()

    def has_no_room(self, kind: str) -> bool:
        """Whether a task of this kind is rejected now: no room in the queue, and no free agent."""
        capacity = self._settings.capacity
        return capacity is not None and self._depth >= capacity and not self._idle

    def may_be_delivered(self, task: Task) -> bool:
        """Whether the task was delivered less often than `max_deliveries` allows."""
        most = self._settings.max_deliveries
        return most is None or task.deliveries < most

    def enter(self, task: Task, reason: str, at_head: bool = False) -> bool:
        """Adds a task to the queue. False: it was delivered as often as allowed, and is a dead letter now."""
        if not self.may_be_delivered(task):
            self._dead_letter(task)
            return False
        self._history.record(Event.QUEUE_ENTERED, task.number, detail=reason)
        task.lines += 1
        self._depth += 1
        self._line_up(task, at_head)
        self.dispatch()
        return True

    def _line_up(self, task: Task, at_head: bool) -> None:
        if at_head:
            self._line.appendleft(task)
        else:
            self._line.append(task)

    def dispatch(self) -> None:
        """Delivers queued tasks in order while an agent waits for work."""
        if self._dispatching or self._blocks:  # called within a delivery: the loop below continues
            return
        self._dispatching = True
        line, idle = self._line, self._idle
        while idle and self._depth > 0:
            if line[0].lines == 0:
                line.popleft()
                continue
            agent = next(iter(idle))
            if not self._network.transparent and (link := self._network.broken_link(self.name, agent.name)):
                del idle[agent]
                self._unreachable[agent] = link
                self._history.record(
                    Event.SEND_FAILED, line[0].number, agent.number, detail="delivery", about=link.name
                )
                self._network.listener.send_failed(link)
                continue
            task = line.popleft()
            task.lines -= 1
            self._depth -= 1
            del idle[agent]
            agent.free_slots -= 1
            if agent.free_slots > 0:
                idle[agent] = None  # behind the others
            self._deliver(task, agent)
        self._dispatching = False

    def wait_for_work(self, agent: Agent) -> None:
        """Registers an agent with a free slot."""
        if agent not in self._unreachable:
            self._idle.setdefault(agent)
        if self._depth > 0:
            self.dispatch()

    def _add_idle(self, agent: Agent) -> None:
        self._idle.setdefault(agent)

    def forget(self, agent: Agent) -> None:
        """Removes an agent from those that wait for work."""
        self._idle.pop(agent, None)
        self._unreachable.pop(agent, None)

    # ------------------------------------------------------------------------ delivery
    def deliver_to(self, task: Task, agent: Agent, reason: str) -> bool:
        """Delivers to an agent that has kept a slot for the task, ahead of queued tasks. False: as for `enter`."""
        if self._blocks or not self.may_be_delivered(task):
            entered = self.enter(task, reason, at_head=True)
            self.receiver.undelivered(task, agent)
            return entered
        self._history.record(Event.QUEUE_ENTERED, task.number, detail=reason)
        self._deliver(task, agent)
        return True

    def _deliver(self, task: Task, agent: Agent) -> None:
        if task.agent is not None:
            task.agent.holds.pop(task, None)
        task.agent = agent
        agent.holds[task] = None
        task.deliveries += 1
        task.leased = task.deliveries
        self._history.record(Event.QUEUE_DELIVERED, task.number, agent.number, value=float(task.deliveries))
        if task.lines > 0 and not self.may_be_delivered(task):  # by duplicates and expired leases
            self.withdraw(task, "max_deliveries")
        ack_timeout = self._settings.ack_timeout
        if ack_timeout is not None:
            self._lease(task, ack_timeout)
        if self._direct and self._network.transparent:
            self.receiver.receive(task, agent, agent.incarnation, task.deliveries)
        else:
            self._send(task, agent, task.deliveries, agent.incarnation)

    def _send(self, task: Task, agent: Agent, delivery: int, incarnation: int) -> None:
        def lost(link: Link | None) -> None:
            self._history.record(Event.QUEUE_DELIVERY_LOST, task.number, agent.number, value=float(delivery))
            if agent.up and agent.incarnation == incarnation:
                self.receiver.undelivered(task, agent)
            if (
                link is not None and task.leased == delivery
            ):  # the queue was informed, so it need not wait for the lease
                self._let_go(task)
                self.enter(task, "undelivered", at_head=True)

        def arrive(_: object = None) -> None:
            if self._settings.loss > 0 and self._delivery_draws.draw(task.number, delivery) < self._settings.loss:
                lost(None)
            else:
                self._network.send(
                    "delivery",
                    self.name,
                    agent.name,
                    lambda: self.receiver.receive(task, agent, incarnation, delivery),
                    lost,
                )

        if task.duplicates > 0:  # a duplicate has no duplicate of its own
            task.duplicates -= 1
        elif (
            self._duplication > 0
            and self._duplication_draws.draw(task.number, delivery) < self._duplication
            and self.may_be_delivered(task)
        ):
            task.duplicates += 1
            self._history.record(Event.QUEUE_DUPLICATED, task.number, agent.number, value=float(delivery))
            self.enter(task, "duplicate")
        delay = self._latency.draw(task.number, delivery)
        if delay > 0:
            self._wait(delay, arrive)
        else:
            arrive()

    # ----------------------------------------------------------- leases, acknowledgements
    def _lease(self, task: Task, timeout: float) -> None:
        leases, clock = self._leases, self.clock
        lease = (clock.now + timeout, task, task.deliveries)
        if leases and lease[0] < leases[-1][0]:  # the clock was set back
            insort(leases, lease, key=itemgetter(0))
            self._watch_leases()
            return
        leases.append(lease)
        if self._lease_timer is None:
            seconds = timeout if clock.is_right else clock.until(leases[0][0])
            self._lease_timer = after_all(self._env, seconds, self._lease_ended)

    def _lease_ended(self, _: object) -> None:
        """The oldest lease has expired. One timer serves all leases: all last equally long by the queue's clock."""
        leases = self._leases
        expired = [leases.popleft()[1:]]
        now = self.clock.now
        while leases and (leases[0][0] <= now or leases[0][1].leased != leases[0][2]):
            expired.append(leases.popleft()[1:])
        self._lease_timer = None
        self._watch_leases()
        for task, delivery in expired:
            if task.leased == delivery:
                self._redeliver(task)

    def _watch_leases(self) -> None:
        """Sets the timer again after a change of the clock or of the oldest lease."""
        disarm(self._lease_timer)
        leases = self._leases
        self._lease_timer = after_all(self._env, self.clock.until(leases[0][0]), self._lease_ended) if leases else None

    def _redeliver(self, task: Task) -> None:
        task.leased = 0
        if self.may_be_delivered(task):
            self.receiver.give_back_leftovers(task)
        self.enter(task, "redelivery")

    def _dead_letter(self, task: Task) -> None:
        self._history.record(Event.QUEUE_DEAD_LETTERED, task.number, value=float(task.deliveries))
        self._let_go(task)
        self.listener.dead_lettered(task)

    def acknowledge(self, task: Task, agent: Agent) -> None:
        """Releases a task whose effect is final; the acknowledgement may be of any of its deliveries."""
        if self._settings.ack_loss > 0 and (
            self._ack_draws.draw(task.number, task.deliveries) < self._settings.ack_loss
        ):
            self._history.record(Event.QUEUE_ACK_LOST, task.number, agent.number)
            return
        self.withdraw(task, "acknowledged")
        self._let_go(task)
        self._history.record(Event.QUEUE_ACKED, task.number, agent.number)
        self.listener.settled(task)

    def settle(self, task: Task, delivery: int) -> None:
        """Releases a task that the recovery core has taken over with this delivery. A later delivery remains."""
        if task.leased not in (0, delivery):
            return
        self._let_go(task)
        self._history.record(Event.QUEUE_SETTLED, task.number)

    def withdraw(self, task: Task, reason: str) -> None:
        """Withdraws all entries of a finished task.

        They remain in the queue and are skipped later, because removal from the middle of a long queue is slow.
        """
        while task.lines > 0:
            task.lines -= 1
            self._depth -= 1
            self._history.record(Event.QUEUE_WITHDRAWN, task.number, detail=reason)

    def _let_go(self, task: Task) -> None:
        task.leased = 0
        if task.agent is not None:
            task.agent.holds.pop(task, None)
            task.agent = None
