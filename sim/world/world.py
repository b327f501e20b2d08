"""The world: everything that the recovery core recovers, put together from a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from recovery.model import Failure
from recovery.ports import System
from recovery.stores import PlainTaskStore, inline
from scenarios import Scenario
from scenarios.faults import CheckpointStale, each
from scenarios.faults.trigger import PROGRESS
from sim.history import Event, History
from sim.loop import SimLoop
from sim.randomness.streams import Residual, Streams
from sim.world.agents import Agents
from sim.world.breakdowns import Breakdowns
from sim.world.clients import Clients
from sim.world.entities import Agent, Task
from sim.world.execution import Execution
from sim.world.heartbeats import Heartbeats
from sim.world.history_audit import HistoryAudit
from sim.world.load import Load
from sim.world.network import Link, Network
from sim.world.port_adapters import WorldAgents, WorldLogs, WorldNetwork, WorldQueue, WorldResources, WorldTasks
from sim.world.queue import TaskQueue
from sim.world.resources import Pools
from sim.world.restarts import Restarts
from sim.world.stale_replica import Replica
from sim.world.topology import WorldTopology

CANCELED = "canceled"
"""Why a task was given up that its client has taken back."""


class Core(Protocol):
    """What the world tells the recovery core: `recovery.Supervisor` implements it."""

    def report(self, failure: Failure) -> None:
        """Somebody noticed a failure."""

    def watch(self, agent_id: str) -> None:
        """An agent belongs to the fleet from now on."""

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A beat arrived."""

    def agent_down(self, agent_id: str) -> None:
        """Something that knows at once says that an agent is down."""

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """A sender found a connection broken."""

    def connection_restored(self, link: str) -> None:
        """A connection works again."""

    def task_succeeded(self, task_id: str) -> None:
        """The task store has accepted a task's effect."""


class Host(Protocol):
    """How the world reaches the recovery core: every `sim.core.host.CoreHost`."""

    @property
    def core(self) -> Core:
        """What the world reports to."""

    def receive(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when the core takes a report."""

    def network_healed(self) -> None:
        """A partition has ended."""


class World:
    """Agents, queue, resources, network and load of one scenario, on one loop. `connect` a core, then `start`."""

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
        self._unsaid: dict[Link, float] = {}  # broken links of which the core could not be told, and since when
        self.network = Network(env, history, streams, scenario.network.latency, scenario.network.loss)
        self.pools = Pools(history, {name: pool.units for name, pool in scenario.resources.items()})
        self.queue = TaskQueue(env, history, streams, self.network, scenario.queue)
        self.execution = Execution(env, history, streams, store, scenario.tasks, scenario.storage)
        self.agents = Agents(
            env, history, self.network, self.queue, self.pools, store, self.execution, scenario.tasks, scenario.agents
        )
        self.replica: Replica | None = None
        if any(isinstance(fault, CheckpointStale) for fault in each(scenario.faults)):
            self.replica = Replica(env, store, self.execution)
        self.load = Load(env, streams, scenario.tasks, self._request)
        self.clients: Clients | None = None
        if scenario.tasks.client.waits:
            self.clients = Clients(env, history, streams, scenario.tasks.client, self)
            self.clients.on_end = lambda request, rejected: (
                self.load.rejected(request) if rejected else self.load.ended(request)
            )
        self.logs = WorldLogs(env)
        restarts = scenario.agents.restart_time, scenario.agents.restart_slots
        self.system = System(
            tasks=WorldTasks(self),
            agents=WorldAgents(self, Restarts(loop, history, self.agents, streams, *restarts)),
            resources=WorldResources(self),
            queues=WorldQueue(self),
            network=WorldNetwork(self, loop),
            logs=self.logs,
            store=inline(store if self.replica is None else self.replica.as_store),
            audit=HistoryAudit(history),
            topology=WorldTopology(self),
        )
        self.queue.on_settled = self._settled
        self.queue.on_dead_letter = self._dead_letter
        self.network.on_reconnect = self._reconnected
        self.network.on_send_failure = self._send_failed
        self.agents.on_finished = self._finished
        if self.clients is None and not any(fault.when and fault.when.about == PROGRESS for fault in scenario.faults):
            streams.on_branch(self._redraw)

    def connect(self, host: Host) -> None:
        """Join the world with the host of the core that recovers it."""
        core = self._core = host.core
        self.agents.to_core = host.receive
        self.network.on_healed = host.network_healed
        self.agents.report = self._report
        self.agents.on_completed = core.task_succeeded
        scenario = self.scenario
        heartbeats = Heartbeats(
            self.env, self.streams, self.network, core, scenario.recovery.detection, self.execution.progress_of
        )
        self.agents.on_wake, self.agents.on_hang = heartbeats.wake, heartbeats.hang
        starts, ends = [heartbeats.begin], [heartbeats.end]
        if scenario.agents.mtbf is not None:
            breakdowns = Breakdowns(
                self.env,
                self.streams,
                self.agents,
                scenario.agents.mtbf,
                only_while_busy=scenario.agents.failure_clock == "busy",
            )
            starts.append(breakdowns.begin)
            ends.append(breakdowns.end)
        self.agents.on_start = lambda agent: _each(starts, agent)
        self.agents.on_end = lambda agent: _each(ends, agent)

    def start(self) -> None:
        """All agents come up, and the load begins."""
        for agent in self.agents.all:
            self._core.watch(agent.name)
            self.agents.start(agent)
        self.load.start()

    # ---------------------------------------------------------------------- life of a task
    def _request(self, number: int) -> None:
        """A client wants something done. Without clients who ask again, each request is one task."""
        if self.clients is None:
            self.submit(number, number)
        else:
            self.clients.request(number)

    def submit(self, number: int, request: int) -> None:
        """A client submits a task, which has the work of the request to do."""
        self.history.record(Event.TASK_SUBMITTED, number)
        if self.queue.full:
            self.history.record(Event.TASK_REJECTED, number, detail="queue_full")
            if self.clients is None:
                self.load.rejected(number)
            else:
                self.clients.failed(number, rejected=True)
            return
        task = Task(number, f"task.{number}", self.execution.work_of(request))
        self.tasks[number] = task
        self.store.register(task.name)
        self.queue.enter(task, "submitted")

    def _redraw(self, residual: Residual) -> None:
        """Draw the work again that is not known yet. Where requests are made again it is theirs and not the task's, and
        where a fault waits for a part of it, it is known to that.
        """
        for task in self.tasks.values():
            self.execution.redraw_work(task, residual)

    def _finished(self, task: Task) -> None:
        if self.clients is None:
            self.load.ended(task.number)
        else:
            self.clients.answered(task.number)

    def _settled(self, task: Task) -> None:
        """The queue has let go of a finished task: nobody needs it any more, unless an attempt at it still runs."""
        if not task.attempts:
            self.tasks.pop(task.number, None)

    def give_up(self, number: int, reason: str) -> None:
        """A task ends without its effect: what it holds is free again."""
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
        """A client takes a task back: it is given up, unless it has its effect already."""
        if number in self.tasks and self.store.escalate(self.tasks[number].name, CANCELED):
            self.give_up(number, CANCELED)

    def stop_attempts(self, task: Task) -> None:
        """Stop the attempts that the core can reach; a hung or cut off agent does not hear it."""
        self.agents.stop(
            [attempt for attempt in task.attempts if attempt.agent.responding and self.reachable(attempt.agent)],
            "stopped",
        )

    def _dead_letter(self, task: Task) -> None:
        if self.store.escalate(task.name, "dead_lettered"):
            self.give_up(task.number, "dead_lettered")
        else:  # it has its effect: only the acknowledgement was lost
            self.queue.withdraw(task, "dead_lettered")
            self._settled(task)

    # -------------------------------------------------------------------- what the core hears
    def _report(self, failure: Failure) -> None:
        self.logs.write("/var/log/tasks/", f"ERROR {failure.info.get('error_code')} {failure.subject}")
        self._core.report(failure)

    def _send_failed(self, link: Link) -> None:
        """A sender found its connection broken: the queue says so, as soon as it can reach the core."""
        if link.reconnects:
            return
        if self.network.broken_link(self.queue.name, "core") is not None:
            self._unsaid.setdefault(link, self.env.now)
        else:
            self._say_broken(link, self.env.now)

    def _reconnected(self, link: Link) -> None:
        self._core.connection_restored(link.name)
        self.queue.reconnect()
        if self._unsaid and self.network.broken_link(self.queue.name, "core") is None:
            unsaid, self._unsaid = self._unsaid, {}
            broken = self.network.broken_among(())
            for cut, since in unsaid.items():
                if cut in broken:
                    self._say_broken(cut, since)

    def _say_broken(self, link: Link, since: float) -> None:
        self._core.delivery_failed(link.name, link.sides, (self.queue.name,), since)

    def agent(self, name: str) -> Agent:
        """An agent by its name, `agent.3`."""
        return self.agents.all[int(name.removeprefix("agent."))]

    def reachable(self, agent: Agent) -> bool:
        """Whether the core's connection to an agent works."""
        return self.network.transparent or self.network.broken_link("core", agent.name) is None


def _each(callbacks: list, agent: Agent) -> None:  # type: ignore[type-arg]
    for callback in callbacks:
        callback(agent)
