"""An at-least-once task queue with leases.

A task waits in line until an agent with a free slot is connected, is delivered, and stays leased until it is
acknowledged. A lease that runs out is delivered again. The queue lets go of a task when its effect is final
(acknowledged) or when the recovery core has taken it over (settled).
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict, deque
from operator import itemgetter

import simpy

from scenarios.sections.infrastructure import QueueSettings
from sim.history import Event, History
from sim.loop.callbacks import Timer, after, disarm
from sim.randomness.streams import Repeated, Streams
from sim.world.clocks import Clock
from sim.world.entities import Agent, Task
from sim.world.links import Link
from sim.world.listeners import Connection, DeliveryReceiver, QueueListener
from sim.world.network import Network


class TaskQueue:
    """The waiting line, the agents that wait for work, and the leases."""

    name = "queue"
    receiver: Connection[DeliveryReceiver] = Connection()
    listener: Connection[QueueListener] = Connection()

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
        self._depth = 0  # those who really stand in the line; who was withdrawn leaves it at its head
        self._dispatching = False
        self._idle: OrderedDict[Agent, None] = (
            OrderedDict()
        )  # with a free slot, longest waiting first; its head is cheap
        self._unreachable: dict[Agent, None] = {}
        self._leases: deque[tuple[float, Task, int]] = deque()
        self._lease_timer: Timer | None = None
        self.clock = Clock(env, lambda _: self._watch_leases())  # by which deliveries are leased
        self._latency = Repeated(streams, "queue.latency", settings.latency)
        self._delivery_luck = Repeated(streams, "queue.loss")
        self._ack_luck = Repeated(streams, "queue.ack_loss")
        self._duplication_luck = Repeated(streams, "queue.duplication")
        self.duplication = settings.duplication
        self._blocks = 0  # how many faults keep it from delivering

    # ------------------------------------------------------------------- waiting line
    @property
    def depth(self) -> int:
        """Tasks in the waiting line."""
        return self._depth

    @property
    def waiting(self) -> list[Task]:
        """Tasks in the waiting line, head first, each once."""
        return list(dict.fromkeys(task for task in self._line if task.lines > 0))

    @property
    def blocked(self) -> bool:
        """Whether nothing is delivered, or some agent that wants work cannot be reached."""
        return self._blocks > 0 or bool(self._unreachable)

    @property
    def duplication(self) -> float:
        """The probability that a delivery arrives twice."""
        return self._duplication

    @duplication.setter
    def duplication(self, probability: float) -> None:
        self._duplication = probability
        settings = self._settings
        self._direct = settings.latency.constant == 0 and settings.loss == 0 and probability == 0

    def block(self) -> None:
        """Deliver nothing, until `unblock` has been called as often."""
        self._blocks += 1
        self._history.record(Event.QUEUE_BLOCKED, about=self.name)

    def unblock(self) -> None:
        """Deliver again."""
        self._blocks -= 1
        self._history.record(Event.QUEUE_UNBLOCKED, about=self.name)
        self.dispatch()

    @property
    def full(self) -> bool:
        """Whether a task that is submitted now would not fit: it may wait in line or go to a free agent."""
        capacity = self._settings.capacity
        return capacity is not None and self._depth >= capacity and not self._idle

    def enter(self, task: Task, reason: str, at_head: bool = False) -> None:
        """Put a task into the line."""
        self._history.record(Event.QUEUE_ENTERED, task.number, detail=reason)
        task.lines += 1
        self._depth += 1
        if at_head:
            self._line.appendleft(task)
        else:
            self._line.append(task)
        self.dispatch()

    def dispatch(self) -> None:
        """Deliver from the head of the line as long as somebody waits for work."""
        if self._dispatching or self._blocks:  # called by what a delivery has caused: the loop below goes on
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
                self._unreachable[agent] = None
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

    def free_slot(self, agent: Agent) -> None:
        """A slot of an agent is free again; the agent takes the next task as soon as it can."""
        agent.free_slots += 1
        if agent.responding:
            self.wait_for_work(agent)

    def wait_for_work(self, agent: Agent) -> None:
        """An agent has a free slot."""
        if agent not in self._unreachable:
            self._idle.setdefault(agent)
        if self._depth > 0:
            self.dispatch()

    def forget(self, agent: Agent) -> None:
        """An agent is gone: it waits for work no more."""
        self._idle.pop(agent, None)
        self._unreachable.pop(agent, None)

    def reconnect(self) -> None:
        """A connection works again: deliver to the agents that could not be reached."""
        for agent in list(self._unreachable):
            if self._network.broken_link(self.name, agent.name) is None:
                del self._unreachable[agent]
                self._idle.setdefault(agent)
        self.dispatch()

    # ------------------------------------------------------------------------ delivery
    def deliver_to(self, task: Task, agent: Agent, reason: str) -> None:
        """Deliver past the line, which is blocked or not, to an agent that has kept a slot for the task."""
        if self._blocks:
            self.enter(task, reason, at_head=True)
            self.free_slot(agent)
            return
        self._history.record(Event.QUEUE_ENTERED, task.number, detail=reason)
        self._deliver(task, agent)

    def _deliver(self, task: Task, agent: Agent) -> None:
        if task.agent is not None:
            task.agent.holds.pop(task, None)
        task.agent = agent
        agent.holds[task] = None
        task.deliveries += 1
        task.leased = task.deliveries
        self._history.record(Event.QUEUE_DELIVERED, task.number, agent.number, value=float(task.deliveries))
        if self._settings.ack_timeout is not None:
            self._lease(task, self._settings.ack_timeout)
        if self._direct and self._network.transparent:
            self.receiver.receive(task, agent, agent.incarnation, task.deliveries)
        else:
            self._send(task, agent, task.deliveries, agent.incarnation)

    def _send(self, task: Task, agent: Agent, delivery: int, incarnation: int) -> None:
        def lost(link: Link | None) -> None:
            self._history.record(Event.QUEUE_DELIVERY_LOST, task.number, agent.number, value=float(delivery))
            if agent.up and agent.incarnation == incarnation:
                self.free_slot(agent)
            if link is not None and task.leased == delivery:  # the queue noticed: no need to wait for the lease
                self._let_go(task)
                self.enter(task, "undelivered", at_head=True)

        def arrive(_: object = None) -> None:
            if self._settings.loss > 0 and self._delivery_luck.draw(task.number, delivery) < self._settings.loss:
                lost(None)
            else:
                self._network.send(
                    "delivery",
                    self.name,
                    agent.name,
                    lambda: self.receiver.receive(task, agent, incarnation, delivery),
                    lost,
                )

        if task.duplicates > 0:  # it is one itself, and has no double of its own
            task.duplicates -= 1
        elif self._duplication > 0 and self._duplication_luck.draw(task.number, delivery) < self._duplication:
            task.duplicates += 1
            self._history.record(Event.QUEUE_DUPLICATED, task.number, agent.number, value=float(delivery))
            self.enter(task, "duplicate")
        delay = self._latency.draw(task.number, delivery)
        if delay > 0:
            after(self._env, delay, arrive)
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
            self._lease_timer = after(self._env, seconds, self._lease_ended)

    def _lease_ended(self, _: object) -> None:
        """The oldest lease is over. One timer serves all: they all last equally long by the queue's clock."""
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
        """The clock was set, or the oldest lease is another one."""
        disarm(self._lease_timer)
        leases = self._leases
        self._lease_timer = after(self._env, self.clock.until(leases[0][0]), self._lease_ended) if leases else None

    def _redeliver(self, task: Task) -> None:
        task.leased = 0
        if self._settings.max_deliveries is not None and task.deliveries >= self._settings.max_deliveries:
            self._history.record(Event.QUEUE_DEAD_LETTERED, task.number, value=float(task.deliveries))
            self._let_go(task)
            self.listener.dead_lettered(task)
        else:
            self.receiver.give_back_leftovers(task)
            self.enter(task, "redelivery")

    def acknowledge(self, task: Task, agent: Agent) -> None:
        """An acknowledgement of any delivery arrived: the effect is final, and the queue lets go of the task."""
        if self._settings.ack_loss > 0 and (
            self._ack_luck.draw(task.number, task.deliveries) < self._settings.ack_loss
        ):
            self._history.record(Event.QUEUE_ACK_LOST, task.number, agent.number)
            return
        self.withdraw(task, "acknowledged")
        self._let_go(task)
        self._history.record(Event.QUEUE_ACKED, task.number, agent.number)
        self.listener.settled(task)

    def settle(self, task: Task, delivery: int) -> None:
        """The recovery core has taken over what had been this delivery. One that was made since stays the queue's."""
        if task.leased not in (0, delivery):
            return
        self._let_go(task)
        self._history.record(Event.QUEUE_SETTLED, task.number)

    def withdraw(self, task: Task, reason: str) -> None:
        """Take a finished task out of the waiting line, as often as it stands there; it never enters again.

        It stays where it is and is passed over later, for to take it out of the middle of a long line takes long.
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
