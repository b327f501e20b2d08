"""Messages to the core: delivered in order, delayed when the core is slow, and kept at their senders while no core
runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from recovery import Supervisor
from recovery.model import Failure
from sim.core.own_cores import caught, is_overridden
from sim.loop import SimLoop
from sim.loop.callbacks import after
from sim.loop.machine import Machine
from sim.world.world import World

PORTS = ("tasks", "agents", "resources", "queues", "network", "logs", "topology")
"""The ports that a slow core waits for. Its store and its audit trail are not delayed."""


class CoreMessages:
    """Implements `sim.world.listeners.Core` for the core that runs.

    `recipient` returns that core and its machine, or None when no core runs; `takes_reports` returns whether it can
    store reports (default: whenever a core runs).
    """

    def __init__(
        self,
        loop: SimLoop,
        world: World,
        recipient: Callable[[], tuple[Machine, Supervisor] | None],
        takes_reports: Callable[[], bool] | None = None,
    ) -> None:
        self._loop = loop
        self._world = world
        self._recipient = recipient
        self._takes_reports = takes_reports or (lambda: self.is_up)
        self._waiting: list[Callable[[], None]] = []  # at their senders, until a core runs
        self._delays: list[Callable[[], float]] = []
        self._latest = 0.0  # arrival of the last message: messages keep their order
        self._core: Supervisor | None = None  # that `_methods` are of
        self._methods: dict[str, Callable[..., None]] = {}
        self._expecting: dict[str, tuple[Machine, Supervisor]] = {}  # by agent, who gets regular heartbeats

    @property
    def is_up(self) -> bool:
        """Whether a core receives reports of failures."""
        return self._recipient() is not None

    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Delay all messages to the core by these seconds; returns the function that ends the delay."""
        self.recipient_changes()
        self._delays.append(delay)
        return partial(self._delays.remove, delay)

    def receive(self, arrive: Callable[[], None]) -> None:
        """A message to the core that its sender keeps until it is delivered."""
        self._arrive(partial(self._take, arrive))

    def register_agents(self) -> None:
        """Register all agents with a core that has started, and deliver the messages that waited for it."""
        for agent in self._world.agents.all:
            self.watch(agent.name)
            if not agent.responding:
                self.agent_down(agent.name)
        self.deliver()

    def deliver(self) -> None:
        """Deliver the messages that waited for the core."""
        waiting, self._waiting = self._waiting, []
        for arrive in waiting:
            self._take(arrive)

    def _take(self, arrive: Callable[[], None]) -> None:
        if self._takes_reports():
            arrive()
        else:
            self._waiting.append(arrive)

    def _arrive(self, arrive: Callable[[], None]) -> None:
        """Deliver now, or with the current delay, after earlier messages."""
        now = self._loop.time()
        self._latest = max(self._latest, now + self.delay())
        if self._latest > now:
            after(self._loop.env, self._latest - now, lambda _: arrive())
        else:
            arrive()

    def delay(self) -> float:
        """The current delay of messages to the core in seconds."""
        return sum(delay() for delay in self._delays)

    def _call(self, method: str, *args: Any) -> None:
        """Call a method of the core on its machine, if a core runs."""
        found = self._recipient()
        if found is not None:
            machine, core = found
            if core is not self._core:
                self._core, self._methods = core, {}
            if method not in self._methods:
                self._methods[method] = caught(core, method)
            machine.run(self._methods[method], *args)

    # ------------------------------------------------------------------------------------ as a `Core`
    def report(self, failure: Failure) -> None:
        """A failure, delivered through `receive`."""
        self._call("report", failure)

    def watch(self, agent_id: str) -> None:
        """Monitor an agent from now on."""
        self._call("watch", agent_id)

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A heartbeat, which is lost when no core runs."""
        if not self._delays and self._latest <= self._loop.time():
            self._call("heartbeat", agent_id, progress)
        else:
            self._arrive(partial(self._call, "heartbeat", agent_id, progress))

    def regular_heartbeats(self, agent_id: str, interval: float, latest: Callable[[], float]) -> bool:
        """Heartbeats arrive regularly at the core that runs, until it is another one, or is slow."""
        found = self._recipient()
        if found is None or self._delays or self._latest > self._loop.time() or is_overridden(found[1], "heartbeat"):
            return False
        machine, core = found
        if not machine.run(core.regular_heartbeats, agent_id, interval, latest):
            return False
        self._expecting[agent_id] = found
        return True

    def regular_heartbeats_end(self, agent_id: str) -> None:
        """Each heartbeat is passed on again."""
        machine, core = self._expecting.pop(agent_id)
        machine.run(core.regular_heartbeats_end, agent_id)

    def recipient_changes(self) -> None:
        """To be called before another core receives the messages, or none, or receives them late."""
        listener = self._world.network.transport_listener
        if listener is not None:
            listener.recipient_changes()

    def agent_down(self, agent_id: str) -> None:
        """A perfect detector reports that an agent is down."""
        self._call("agent_down", agent_id)

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """A sender found a connection broken."""
        self.receive(partial(self._call, "delivery_failed", link, endpoints, queue_ids, since))

    def connection_restored(self, link: str) -> None:
        """A connection works again."""
        self.receive(partial(self._call, "connection_restored", link))

    def task_succeeded(self, task_id: str) -> None:
        """The task store has accepted a task's effect."""
        self.receive(partial(self._call, "task_succeeded", task_id))


class DelayedPort:
    """A port whose answers reach the core with the current delay."""

    def __init__(self, port: Any, delay: Callable[[], float]) -> None:
        self._port = port
        self._delay = delay

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._port, name)

        async def ask(*args: Any, **kwargs: Any) -> Any:
            answer = await method(*args, **kwargs)
            seconds = self._delay()
            if seconds > 0:
                await asyncio.sleep(seconds)
            return answer

        return ask
