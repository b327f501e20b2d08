"""Agents take tasks from the queue, execute them, send heartbeats, crash, hang and are restarted.

A crash is a power cut: the agent stops, its allocations remain until they are released, and messages that it has sent
still arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import simpy

from recovery.model import FINISHED, Failure, FailureKind, Symptom, TaskStatus
from recovery.stores import PlainTaskStore
from scenarios.sections.agents import AgentSettings
from scenarios.sections.tasks import TaskSettings
from sim.history import Event, History
from sim.world.agents.execution import Execution
from sim.world.clocks import Clock
from sim.world.entities import Agent, Attempt, Task
from sim.world.listeners import (
    AgentsListener,
    BusyListener,
    Connection,
    Core,
    HangListener,
    Host,
    LifecycleListener,
)
from sim.world.network import Network
from sim.world.queue_group import Queue
from sim.world.resources import Allocation, Pools


class Agents:
    """All agents of a world. `busy_listener` is optional: only random crashes of busy agents need one."""

    listener: Connection[AgentsListener]
    lifecycle_listeners: Connection[Sequence[LifecycleListener]]
    hang_listener: Connection[HangListener]
    host: Connection[Host]
    core: Connection[Core]

    def __init__(
        self,
        env: simpy.Environment,
        history: History,
        network: Network,
        queue: Queue,
        pools: Pools,
        store: PlainTaskStore,
        execution: Execution,
        tasks: TaskSettings,
        settings: AgentSettings,
        prefetch: Callable[[int], int],
    ) -> None:
        self._env = env
        self._history = history
        self._network = network
        self._queue = queue
        self._pools = pools
        self._store = store
        self._execution = execution
        kinds = {kind: tasks.of_kind(kind) for kind in tasks.kinds} or {"": tasks}
        self._retry_holds_agent = frozenset(kind for kind, of_kind in kinds.items() if of_kind.retry_holds_agent)
        self._retry_holds_resources = frozenset(
            kind for kind, of_kind in kinds.items() if of_kind.retry_holds_resources
        )
        self._free_slot = queue.free_slot
        self.all = [Agent(number, settings.slots, prefetch(number)) for number in range(settings.count)]
        self._clocks: dict[Agent, Clock] = {}
        self.busy_listener: BusyListener | None = None

    def clock_of(self, agent: Agent) -> Clock:
        """The agent's own clock, which determines its heartbeats and the timeouts of its attempts."""
        clock = self._clocks.get(agent)
        if clock is None:

            def on_change(changed: Clock) -> None:
                agent.clock_rate = changed.rate
                self.hang_listener.clock_changed(agent)

            clock = self._clocks[agent] = Clock(self._env, on_change)
        return clock

    # -------------------------------------------------------------------- receive, start
    def receive(self, task: Task, agent: Agent, incarnation: int, delivery: int) -> None:
        """Starts an attempt at a task that arrives at an agent; ignored if the agent has crashed since it was sent."""
        if agent.incarnation != incarnation or not agent.up:
            return
        if agent.hung:
            agent.unread.append((task, incarnation, delivery))
            return
        epoch = self._store.begin(task.name, agent.name)
        if epoch is None:
            self._skip(task, agent)
            return
        if task.keeper is not None:  # the retry runs on this agent instead
            self.free_keeper(task)
        attempt = Attempt(task, agent, epoch, delivery)
        task.attempts.append(attempt)
        agent.attempts[attempt] = None
        if self.busy_listener is not None and len(agent.attempts) == 1:
            self.busy_listener.busy(agent)
        needs = task.needs
        if not needs:
            self._execution.start(attempt)
            return
        allocation = self._reserved_for(task) if self._pools.holds(task.number) else None
        if allocation is not None:
            allocation.epoch = epoch
            self._granted(attempt, allocation)
        else:
            self._request(attempt)

    def _reserved_for(self, task: Task) -> Allocation | None:
        """What the core has allocated for the task's next attempt, and releases what is left of ended ones."""
        self.give_back_leftovers(task)
        allocation = self._pools.reserved(task.number)
        if allocation is not None and allocation.units != task.needs:  # one of its units has failed in the meantime
            self._pools.release(allocation)
            return None
        return allocation

    def _request(self, attempt: Attempt) -> None:
        attempt.withdraw_request = self._pools.request(
            attempt.task.number, attempt.epoch, attempt.task.needs, lambda granted: self._granted(attempt, granted)
        )

    def _granted(self, attempt: Attempt, allocation: Allocation) -> None:
        attempt.allocation = allocation
        attempt.withdraw_request = None
        if not attempt.agent.responding:  # it is skipped and requests again when it wakes up
            self._give_back(attempt)
        elif self._is_void(attempt):
            self._give_back(attempt)
            self._forget(attempt)
        else:
            self._execution.start(attempt)

    def _is_void(self, attempt: Attempt) -> bool:
        """Whether the attempt cannot have an effect: its task was finished or fenced while the attempt waited."""
        return not self._store.is_current(attempt.task.name, attempt.epoch)

    def _forget(self, attempt: Attempt) -> None:
        """Ends an attempt that has not started."""
        self._leave(attempt)
        self._skip(attempt.task, attempt.agent)

    def _skip(self, task: Task, agent: Agent) -> None:
        self._history.record(Event.ATTEMPT_SKIPPED, task.number, agent.number)
        if self._store.status(task.name) in FINISHED:
            self._acknowledge(task, agent)
        self._free_slot(agent)

    def undelivered(self, task: Task, agent: Agent) -> None:
        """Frees the slot of a delivery that did not arrive."""
        self._free_slot(agent)

    # ------------------------------------------------------------------- ends of an attempt
    def attempt_succeeded(self, attempt: Attempt) -> None:
        """Commits the effect of an attempt and frees its agent."""
        task, agent, record = attempt.task, attempt.agent, self._history.record
        record(Event.ATTEMPT_SUCCEEDED, task.number, agent.number, attempt.epoch, attempt.progress)
        holds_more = bool(task.needs) and self._pools.holds_more(task.number, attempt.allocation)
        if holds_more:
            self.give_back_leftovers(task)
        if self._store.commit(task.name, attempt.epoch):
            record(Event.TASK_COMPLETED, task.number, agent.number, attempt.epoch, attempt.progress)
            self.core.task_succeeded(task.name)
            final = True
            if holds_more:
                self._give_back_reserved(task)
        else:
            record(Event.ATTEMPT_REFUSED, task.number, agent.number, attempt.epoch, detail="commit")
            final = self._store.status(task.name) is TaskStatus.COMPLETED
        self._give_back(attempt)
        self._leave(attempt)
        if final:
            self._acknowledge(task, agent)
            self.listener.finished(task)
            if task.keeper is not None:
                self.free_keeper(task)
        self._free_slot(agent)

    def attempt_failed(self, attempt: Attempt, error: str) -> None:
        """Reports an attempt that ended with an error, unless it is void."""
        task, agent = attempt.task, attempt.agent
        event = Event.ATTEMPT_TIMED_OUT if error == "timeout" else Event.ATTEMPT_FAILED
        self._history.record(event, task.number, agent.number, attempt.epoch, attempt.progress, error)
        self._leave(attempt)
        if self._store.fail(task.name, attempt.epoch, TaskStatus.FAILED, error):
            self._execution.prepare_retry(attempt)
            symptoms = (Symptom("task_status", "failed", task.name), Symptom("error_code", "present", task.name))
            self._hand_over(attempt, FailureKind.TASK, error, symptoms)
        else:
            self._refuse(attempt)

    def _refuse(self, attempt: Attempt) -> None:
        """Ends an attempt that is void or not the latest: its end is not reported."""
        task, agent = attempt.task, attempt.agent
        self._history.record(Event.ATTEMPT_REFUSED, task.number, agent.number, attempt.epoch, detail="failure")
        self._give_back(attempt)
        self._free_slot(agent)

    def lose_resource(self, attempt: Attempt, resource: str) -> None:
        """Blocks an attempt that held a unit which went out of service, and reports it."""
        task = attempt.task
        self._interrupt(attempt, "resource_unavailable")
        if self._store.fail(task.name, attempt.epoch, TaskStatus.BLOCKED, "resource_unavailable"):
            symptoms = (
                Symptom("task_status", "blocked", task.name),
                Symptom("resource_status", "unavailable", resource),
            )
            self._hand_over(attempt, FailureKind.RESOURCE, "resource_unavailable", symptoms)
        else:
            self._refuse(attempt)

    def _hand_over(self, attempt: Attempt, kind: FailureKind, error: str, symptoms: tuple[Symptom, ...]) -> None:
        """Reports a failed attempt and gives back its units, unless they are held during the retry delay.

        When the report arrives, the queue releases the task to the core.
        """
        task, agent, failed_at = attempt.task, attempt.agent, self._env.now
        task.error = error
        if task.kind not in self._retry_holds_resources:
            self._give_back(attempt)

        def arrive() -> None:
            info: dict[str, Any] = {"error_code": error, "agent_id": agent.name, "resource_ids": tuple(task.needs)}
            if task.kind:
                info["task_kind"] = task.kind
            if attempt.retry_after is not None:
                info["retry_after"] = attempt.retry_after
            self.listener.report(Failure(kind, task.name, failed_at, info, symptoms))
            self._queue.settle(task, attempt.delivery)

        if self._network.transparent:
            self.host.receive(arrive)
        else:
            self._network.send("report", agent.name, "core", lambda: self.host.receive(arrive))
        if task.kind in self._retry_holds_agent:
            self._keep_slot(task, agent)
        else:
            self._free_slot(agent)

    def attempt_fenced(self, attempt: Attempt) -> None:
        """Stops an attempt that is void, because the store has refused its checkpoint."""
        self._history.record(
            Event.ATTEMPT_REFUSED, attempt.task.number, attempt.agent.number, attempt.epoch, detail="checkpoint"
        )
        self.stop([attempt], "fenced")

    def stop(self, attempts: Sequence[Attempt], reason: str) -> None:
        """Stops attempts on agents that run, and releases their allocations."""
        self._withdraw_all(attempts)
        for attempt in attempts:
            self._interrupt(attempt, reason)
            self._give_back(attempt)
            self._free_slot(attempt.agent)

    def _interrupt(self, attempt: Attempt, reason: str) -> None:
        self._execution.stop(attempt)
        if attempt.started:
            self._history.record(
                Event.ATTEMPT_INTERRUPTED,
                attempt.task.number,
                attempt.agent.number,
                attempt.epoch,
                attempt.progress,
                reason,
            )
            self._execution.keep_for_next(attempt)
        self._leave(attempt)

    def _withdraw_all(self, attempts: Sequence[Attempt]) -> None:
        """Withdraws requests for resources, the last one first, so that none of them is granted in the meantime."""
        for attempt in reversed(attempts):
            if attempt.withdraw_request is not None:
                attempt.withdraw_request()
                attempt.withdraw_request = None

    def _leave(self, attempt: Attempt) -> None:
        attempt.task.attempts.remove(attempt)
        agent = attempt.agent
        del agent.attempts[attempt]
        if self.busy_listener is not None and not agent.attempts:
            self.busy_listener.idle(agent)

    def _give_back(self, attempt: Attempt) -> None:
        if attempt.allocation is not None:
            self._pools.release(attempt.allocation)
            attempt.allocation = None

    def give_back_leftovers(self, task: Task) -> None:
        """Releases units of ended attempts that the core is not informed about.

        Such units remain when a report is lost, or when the queue delivers a crashed agent's task before the core
        reacts. Units of a void attempt are released by the core, which has fenced it.
        """
        running = [attempt.epoch for attempt in task.attempts]
        for allocation in self._pools.allocations(task.number):
            over = allocation.epoch > 0 and allocation.epoch not in running
            if over and self._store.is_current(task.name, allocation.epoch):
                self._pools.release(allocation)

    def _give_back_reserved(self, task: Task) -> None:
        """Releases what the core has allocated for a next attempt: there is none."""
        reserved = self._pools.reserved(task.number)
        if reserved is not None:
            self._pools.release(reserved)

    def _acknowledge(self, task: Task, agent: Agent) -> None:
        if self._network.transparent:
            self._queue.acknowledge(task, agent)
        else:
            self._network.send("ack", agent.name, "queue", lambda: self._queue.acknowledge(task, agent))

    def take_keeper(self, task: Task) -> Agent | None:
        """The agent whose slot was kept for the task's retry, if it still runs. The caller now owns the slot."""
        agent, task.keeper = task.keeper, None
        if agent is not None and agent.up and agent.incarnation == task.keeper_incarnation:
            return agent
        return None

    def _keep_slot(self, task: Task, agent: Agent) -> None:
        """Keeps a slot of the agent for the task's retry."""
        self.free_keeper(task)
        task.keeper, task.keeper_incarnation = agent, agent.incarnation

    def free_keeper(self, task: Task) -> None:
        """Frees the slot that was kept for a task's retry."""
        agent = self.take_keeper(task)
        if agent is not None:
            self._free_slot(agent)

    # -------------------------------------------------------------- crash, hang, restart
    def start(self, agent: Agent) -> None:
        """Starts an agent with all of its slots free."""
        agent.up, agent.hung, agent.beating = True, False, False
        agent.incarnation += 1
        agent.free_slots = agent.slots + agent.prefetch
        for listener in self.lifecycle_listeners:
            listener.begin(agent)
        self._queue.wait_for_work(agent)

    def crash(self, agent: Agent, event: Event = Event.AGENT_CRASHED, reason: str = "agent_crash") -> None:
        """Crashes an agent. Its allocations and its leased tasks remain."""
        agent.up = agent.hung = agent.beating = False
        agent.unread.clear()
        self._history.record(event, agent=agent.number)
        self._queue.forget(agent)
        self._network.drop_unsent(agent.name)
        attempts = list(agent.attempts)
        self._withdraw_all(attempts)
        for attempt in attempts:
            self._interrupt(attempt, reason)
            if self._store.status(attempt.task.name) in FINISHED:  # no recovery follows for this task
                self._give_back(attempt)
        for listener in self.lifecycle_listeners:
            listener.end(agent)

    def hang(self, agent: Agent, beating: bool = False) -> None:
        """Suspends an agent: no progress, no answer, and no heartbeat unless `beating`."""
        agent.hung, agent.beating = True, beating
        self._history.record(Event.AGENT_HUNG, agent=agent.number)
        self._queue.forget(agent)
        for attempt in agent.attempts:
            if attempt.started:
                self._execution.freeze(attempt)
        self.hang_listener.hang(agent)

    def change_beating(self, agent: Agent, beating: bool) -> None:
        """Starts or stops the heartbeats of a suspended agent."""
        if beating:
            self.hang_listener.beat_again(agent)
            agent.beating = True
        else:
            agent.beating = False
            self.hang_listener.hang(agent)

    def wake(self, agent: Agent) -> None:
        """Resumes a suspended agent, which continues with its attempts even if its tasks were reassigned."""
        agent.hung = False
        self._history.record(Event.AGENT_WOKE, agent=agent.number)
        self.hang_listener.wake(agent)
        agent.beating = False
        unread, agent.unread = agent.unread, []
        standing = [attempt for attempt in agent.attempts if attempt.withdraw_request is None]
        for attempt in standing:
            missing = self._missing(attempt)
            if missing is not None:
                self.lose_resource(attempt, missing)
            elif attempt.started:
                self._execution.thaw(attempt)
            elif self._is_void(attempt):
                self._forget(attempt)
            else:
                self._request(attempt)
        for task, incarnation, delivery in unread:
            self.receive(task, agent, incarnation, delivery)
        if agent.free_slots > 0:
            self._queue.wait_for_work(agent)

    def _missing(self, attempt: Attempt) -> str | None:
        """A pool in which units of the attempt's allocation have failed."""
        if attempt.allocation is None:
            return None
        held = attempt.allocation.units
        return next((name for name, units in attempt.task.needs.items() if held[name] < units), None)
