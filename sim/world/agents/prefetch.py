"""Agents that take deliveries for which they have no free slot: prefetching.

A prefetched delivery waits in the memory of its agent, and starts when a slot of this agent is free, in the order of
arrival. It is leased from its delivery on, and no other agent can take it, although one may be idle. A crash of the
agent loses it; the queue delivers its task again when the lease expires, or when the recovery core queues it again.
"""

from __future__ import annotations

from typing import Any

from sim.history import Event
from sim.world.agents.agents import Agents
from sim.world.entities import Agent, Task


class PrefetchingAgents(Agents):
    """`Agents` of which some prefetch. A freed slot starts the next prefetched delivery before the queue delivers.

    An agent executes at most as many tasks as it has slots, those that are kept for a retry included.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free_slot = self._start_next_and_free
        self._starting: set[Agent] = set()  # that start a delivery at this moment

    def receive(self, task: Task, agent: Agent, incarnation: int, delivery: int) -> None:
        """Starts an attempt if a slot is free, or is kept for the task. Otherwise the delivery waits in the agent."""
        if agent.incarnation != incarnation or not agent.responding:
            super().receive(task, agent, incarnation, delivery)
            return
        is_first = task in agent.reserved  # its slot is free from here on
        agent.reserved.pop(task, None)
        if agent in self._starting or not self._has_free_slot(agent) or (agent.prefetched and not is_first):
            self._history.record(Event.DELIVERY_PREFETCHED, task.number, agent.number, value=float(delivery))
            line_up = agent.prefetched.appendleft if is_first else agent.prefetched.append
            line_up((task, delivery))
        else:
            self._start(task, agent, delivery)
        self._start_next(agent)

    def _has_free_slot(self, agent: Agent) -> bool:
        return len(agent.attempts) + len(agent.reserved) < agent.slots

    def _start(self, task: Task, agent: Agent, delivery: int) -> None:
        self._starting.add(agent)
        super().receive(task, agent, agent.incarnation, delivery)
        self._starting.remove(agent)

    def _start_next(self, agent: Agent) -> None:
        """Starts prefetched deliveries while slots are free. One whose task the core has queued again is dropped."""
        if agent in self._starting:  # called within a start: the loop below continues
            return
        while agent.prefetched and agent.responding and self._has_free_slot(agent):
            task, delivery = agent.prefetched.popleft()
            is_void = delivery <= task.void_deliveries
            self._taken(task, agent, delivery, "void" if is_void else "started")
            if is_void:
                self._queue.free_slot(agent)
            else:
                self._start(task, agent, delivery)

    def _taken(self, task: Task, agent: Agent, delivery: int, detail: str) -> None:
        self._history.record(Event.DELIVERY_TAKEN, task.number, agent.number, value=float(delivery), detail=detail)

    def _start_next_and_free(self, agent: Agent) -> None:
        self._start_next(agent)
        self._queue.free_slot(agent)

    def undelivered(self, task: Task, agent: Agent) -> None:
        """Frees the slot of a delivery that did not arrive, also if it was kept for the task."""
        agent.reserved.pop(task, None)
        super().undelivered(task, agent)

    def _keep_slot(self, task: Task, agent: Agent) -> None:
        super()._keep_slot(task, agent)
        agent.reserved[task] = None

    def free_keeper(self, task: Task) -> None:
        """Frees the slot that was kept for a task's retry."""
        if task.keeper is not None:
            task.keeper.reserved.pop(task, None)
        super().free_keeper(task)

    def start(self, agent: Agent) -> None:
        """Starts an agent with all of its slots free, and nothing prefetched."""
        agent.reserved.clear()
        super().start(agent)

    def crash(self, agent: Agent, event: Event = Event.AGENT_CRASHED, reason: str = "agent_crash") -> None:
        """Crashes an agent, which loses its prefetched deliveries. Their leases remain."""
        lost = list(agent.prefetched)
        agent.prefetched.clear()
        super().crash(agent, event, reason)
        for task, delivery in lost:
            self._taken(task, agent, delivery, "crashed")

    def wake(self, agent: Agent) -> None:
        """Resumes a suspended agent, which continues with its attempts and its prefetched deliveries."""
        super().wake(agent)
        self._start_next(agent)
