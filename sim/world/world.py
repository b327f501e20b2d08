"""The world: the parts that the recovery core recovers, and the life cycle of a task."""

from __future__ import annotations

from collections.abc import Mapping

from recovery.model import Failure
from recovery.ports import System
from recovery.stores import PlainTaskStore
from scenarios import Scenario
from scenarios.faults import CheckpointStale, each
from scenarios.faults.trigger import PROGRESS
from scenarios.sections.tasks import TaskSettings
from sim.history import Event, History
from sim.loop import SimLoop
from sim.randomness.streams import Residual, Streams
from sim.world.agents.agents import Agents
from sim.world.agents.breakdowns import Breakdowns
from sim.world.agents.calls import CallingExecution
from sim.world.agents.execution import Execution
from sim.world.agents.execution_by_kind import ExecutionByKind
from sim.world.agents.prefetch import PrefetchingAgents
from sim.world.agents.restarts import Restarts
from sim.world.clients import Clients
from sim.world.downstream import Dependency
from sim.world.entities import Agent, Task
from sim.world.links import Link
from sim.world.listeners import Connection, Core, Host, require_connected
from sim.world.load import Load
from sim.world.load_by_kind import LoadByKind, stream_of
from sim.world.logs import WorldLogs
from sim.world.network import Network
from sim.world.queue import TaskQueue
from sim.world.queue_group import Queue, QueueGroup, needs_group
from sim.world.resources import Pools
from sim.world.stale_replica import Replica


def needs_by_kind(tasks: TaskSettings) -> dict[str, Mapping[str, int]]:
    """The units that a task of each kind needs, by pool; without kinds those of `""`."""
    settings = {kind: tasks.of_kind(kind) for kind in tasks.kinds} or {"": tasks}
    return {kind: {name: units for name, units in of_kind.needs.items() if units} for kind, of_kind in settings.items()}


CANCELED = "canceled"
"""Reason for which a task was given up that its client has cancelled."""


class World:
    """Agents, queue, resources, network and load of one scenario, on one loop.

    `sim.world.assembly` builds and connects it. Then call `start`.
    """

    system: Connection[System]
    host: Connection[Host]
    core: Connection[Core]

    def __init__(
        self, scenario: Scenario, streams: Streams, loop: SimLoop, history: History, store: PlainTaskStore
    ) -> None:
        env = loop.env
        self.scenario = scenario
        self.history = history
        self.store = store
        self.streams = streams
        self.env = env
        self.tasks: dict[int, Task] = {}
        self._unreported: dict[
            Link, float
        ] = {}  # broken links that could not be reported to the core, with the time of the break
        self.network = Network(env, history, streams, scenario.network.latency, scenario.network.loss)
        self.pools = Pools(history, {name: pool.units for name, pool in scenario.resources.items()})
        self.queue: Queue = (
            QueueGroup(env, history, streams, self.network, scenario)
            if needs_group(scenario)
            else TaskQueue(env, history, streams, self.network, scenario.queue)
        )
        self.downstream = {
            name: Dependency(env, history, streams, name, settings) for name, settings in scenario.downstream.items()
        }
        self.execution = self._execution()
        agents = PrefetchingAgents if scenario.most_prefetched else Agents
        self.agents = agents(
            env,
            history,
            self.network,
            self.queue,
            self.pools,
            store,
            self.execution,
            scenario.tasks,
            scenario.agents,
            scenario.prefetch_of,
        )
        self.replica: Replica | None = None
        if any(isinstance(fault, CheckpointStale) for fault in each(scenario.faults)):
            self.replica = Replica(env, store)
        self.breakdowns: Breakdowns | None = None
        by_kind = LoadByKind(env, streams, scenario.tasks, self._request) if scenario.tasks.kinds else None
        self.load = Load(env, streams, scenario.tasks, self._request) if by_kind is None else by_kind
        self._origin = None if by_kind is None else by_kind.origin
        self._needs = needs_by_kind(scenario.tasks)
        self.clients: Clients | None = None
        if scenario.tasks.clients_wait:
            kind_of = None if by_kind is None else lambda request: by_kind.origin(request).kind
            self.clients = Clients(env, history, streams, scenario.tasks.clients, self, kind_of)
        self.logs = WorldLogs(env)
        settings = scenario.agents
        self.restarts = Restarts(loop, history, self.agents, streams, settings.restart_time, settings.restart_slots)
        self._keeps_work = self.clients is not None or any(
            fault.when and fault.when.about == PROGRESS for fault in scenario.faults
        )
        streams.on_branch(self._redraw)

    def _execution(self) -> Execution:
        def of(tasks: TaskSettings, stream: str = "task") -> Execution:
            parts = (self.env, self.history, self.streams, self.store, tasks, self.scenario.storage, stream)
            if tasks.calls:
                return CallingExecution([self.downstream[name] for name in tasks.calls], *parts)
            return Execution(*parts)

        tasks = self.scenario.tasks
        if not tasks.kinds:
            return of(tasks)
        return ExecutionByKind({kind: of(tasks.of_kind(kind), f"{stream_of(kind, tasks)}task") for kind in tasks.kinds})

    def start(self) -> None:
        """Start all agents, then the load. Raises NotConnected for a listener that was not connected."""
        parts = (self, self.network, *self.queue.parts, self.execution, self.agents, self.clients)
        require_connected([part for part in parts if part is not None])
        for agent in self.agents.all:
            self.core.watch(agent.name)
            self.agents.start(agent)
        self.load.start()

    def stop_arrivals(self) -> None:
        """No task is submitted and no agent crashes any more. Clients still repeat their requests."""
        self.load.stop()
        if self.breakdowns is not None:
            self.breakdowns.stop()

    # ---------------------------------------------------------------------- life of a task
    def _request(self, number: int) -> None:
        """A request of the load. Without clients that repeat requests, each request is one task."""
        if self.clients is None:
            self.submit(number, number)
        else:
            self.clients.request(number)

    def submit(self, number: int, request: int) -> None:
        """Submits a task with the work of a request."""
        kind, draw = "", request
        if self._origin is not None:
            origin = self._origin(request)
            kind, draw = origin.kind, origin.number
        self.history.record(Event.TASK_SUBMITTED, number, detail=kind)
        if self.queue.has_no_room(kind):
            self.history.record(Event.TASK_REJECTED, number, detail="queue_full")
            if self.clients is None:
                self.load.rejected(number)
            else:
                self.clients.failed(number, rejected=True)
            return
        work = self.execution.work_of(draw, kind)
        task = Task(number, f"task.{number}", work, self._needs[kind], draw, kind)
        self.tasks[number] = task
        self.store.register(task.name)
        self.queue.enter(task, "submitted")

    def retries_at_head(self, kind: str) -> bool:
        """Whether a retried task of a kind is inserted at the head of its queue."""
        tasks = self.scenario.tasks
        return ((tasks.kinds[kind].requeue if kind else None) or tasks.requeue) == "head"

    def needs_of(self, task: Task | None) -> Mapping[str, int]:
        """What a task needs; of one that has ended, nothing if the scenario has kinds of tasks."""
        return task.needs if task is not None else self._needs.get("", {})

    def _redraw(self, residual: Residual) -> None:
        """Draws work and failures again that are not yet observed.

        The work of requests that a client may repeat, and of tasks whose progress triggers a fault, is kept.
        """
        for task in self.tasks.values():
            self.execution.redraw(task, residual, keeps_work=self._keeps_work)

    def finished(self, task: Task) -> None:
        """A task has its effect: its client continues."""
        if self.clients is None:
            self.load.ended(task.number)
        else:
            self.clients.answered(task.number)

    def settled(self, task: Task) -> None:
        """Forgets a finished task that the queue has released, unless an attempt at it still runs."""
        if not task.attempts:
            self.tasks.pop(task.number, None)

    def request_ended(self, request: int, rejected: bool) -> None:
        """A request was answered or abandoned: a closed client continues."""
        if rejected:
            self.load.rejected(request)
        else:
            self.load.ended(request)

    def healed(self) -> None:
        """A partition has ended: the core's host may send the messages that waited for it."""
        self.host.network_healed()

    def give_up(self, number: int, reason: str) -> None:
        """Ends a task without its effect, and releases what it holds."""
        task = self.tasks.pop(number, None)
        if task is None:
            return
        self.history.record(Event.TASK_FAILED, number, detail=reason)
        self.queue.withdraw(task, "given_up")
        self.stop_attempts(task)
        self.pools.release_all(number)
        self.agents.free_keeper(task)
        if self.clients is None:
            self.load.ended(number)
        else:
            self.clients.failed(number)

    def cancel(self, number: int) -> None:
        """Gives up a task that its client cancels, unless it has its effect already."""
        if number in self.tasks and self.store.escalate(self.tasks[number].name, CANCELED):
            self.give_up(number, CANCELED)

    def stop_attempts(self, task: Task) -> None:
        """Stops the attempts that the core can reach; a hung or disconnected agent is not reached."""
        self.agents.stop(
            [attempt for attempt in task.attempts if attempt.agent.responding and self.reachable(attempt.agent)],
            "stopped",
        )

    def dead_lettered(self, task: Task) -> None:
        """Gives up a task that was delivered as often as allowed, unless it has its effect already."""
        if self.store.escalate(task.name, "dead_lettered"):
            self.give_up(task.number, "dead_lettered")
        else:  # it has its effect; only the acknowledgement was lost
            self.queue.withdraw(task, "dead_lettered")
            self.settled(task)

    # -------------------------------------------------------------------- what the core hears
    def report(self, failure: Failure) -> None:
        """Writes the report of a failed attempt to the log and forwards it to the core."""
        self.logs.write("/var/log/tasks/", f"ERROR {failure.info.get('error_code')} {failure.subject}")
        self.core.report(failure)

    def send_failed(self, link: Link) -> None:
        """Reports a broken connection, which a sender found, as soon as the core can be reached."""
        if link.reconnects:
            return
        if self.network.broken_link(self.queue.name, "core") is not None:
            self._unreported.setdefault(link, self.env.now)
        else:
            self._report_broken(link, self.env.now)

    def reconnected(self, link: Link) -> None:
        """Informs the core and the queue of a connection that works again."""
        self.core.connection_restored(link.name)
        self.queue.reconnect()
        if self._unreported and self.network.broken_link(self.queue.name, "core") is None:
            unreported, self._unreported = self._unreported, {}
            broken = self.network.broken_among(())
            for cut, since in unreported.items():
                if cut in broken:
                    self._report_broken(cut, since)

    def _report_broken(self, link: Link, since: float) -> None:
        self.core.delivery_failed(link.name, link.sides, (self.queue.name,), since)

    def agent(self, name: str) -> Agent:
        """An agent by its name, `agent.3`."""
        return self.agents.all[int(name.removeprefix("agent."))]

    def reachable(self, agent: Agent) -> bool:
        """Whether the core is connected with an agent."""
        return self.network.transparent or self.network.broken_link("core", agent.name) is None
