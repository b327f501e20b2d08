"""What reaches the core: in its order, late when the core is slow, and kept at its sender while there is no core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from recovery import Supervisor
from recovery.model import Failure
from sim.loop import SimLoop
from sim.loop.callbacks import after
from sim.loop.machine import Machine
from sim.world.world import World

PORTS = ("tasks", "agents", "resources", "queues", "network", "logs", "topology")
"""The ports that a core waits for; its store and its audit trail are its own."""


class CoreMessages:
    """Implements `sim.world.listeners.Core` for whichever core there is.

    `recipient` says which one hears what is said, and on which machine it runs (None: there is none); `takes_reports`
    whether it can put on record what it is told: whenever there is one, if left out.
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
        self._waiting: list[Callable[[], None]] = []  # at senders, until there is a core
        self._delays: list[Callable[[], float]] = []
        self._latest = 0.0  # when the last message arrives: none overtakes another

    @property
    def is_up(self) -> bool:
        """Whether there is a core that is told of failures."""
        return self._recipient() is not None

    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Whatever reaches the core does so later by these seconds; returns what ends it."""
        self._delays.append(delay)
        return partial(self._delays.remove, delay)

    def receive(self, arrive: Callable[[], None]) -> None:
        """A message for the core that its sender keeps until the core has it."""
        self._arrive(partial(self._take, arrive))

    def introduce(self) -> None:
        """Let a core that has started come to know the fleet, and hear of what waited for it."""
        for agent in self._world.agents.all:
            self.watch(agent.name)
            if not agent.responding:
                self.agent_down(agent.name)
        self.deliver()

    def deliver(self) -> None:
        """Let the core hear of what waited for it."""
        waiting, self._waiting = self._waiting, []
        for arrive in waiting:
            self._take(arrive)

    def _take(self, arrive: Callable[[], None]) -> None:
        if self._takes_reports():
            arrive()
        else:
            self._waiting.append(arrive)

    def _arrive(self, arrive: Callable[[], None]) -> None:
        """Now, or as late as everything is, and after what was sent before."""
        now = self._loop.env.now
        self._latest = max(self._latest, now + self.delay())
        if self._latest > now:
            after(self._loop.env, self._latest - now, lambda _: arrive())
        else:
            arrive()

    def delay(self) -> float:
        """By how many seconds all that reaches the core is late now."""
        return sum(delay() for delay in self._delays)

    def _tell(self, method: Callable[..., None], *args: Any) -> None:
        """Call a method of the core on its machine, if there is one."""
        found = self._recipient()
        if found is not None:
            machine, core = found
            machine.run(method, core, *args)

    # ------------------------------------------------------------------------------------ as a `Core`
    def report(self, failure: Failure) -> None:
        """Somebody noticed a failure. It has come here by `receive`."""
        self._tell(Supervisor.report, failure)

    def watch(self, agent_id: str) -> None:
        """An agent belongs to the fleet."""
        self._tell(Supervisor.watch, agent_id)

    def heartbeat(self, agent_id: str, progress: Mapping[str, float] | None = None) -> None:
        """A beat arrived, and is gone when there is no core to hear it."""
        self._arrive(partial(self._tell, Supervisor.heartbeat, agent_id, progress))

    def agent_down(self, agent_id: str) -> None:
        """Something that knows at once says that an agent is down."""
        self._tell(Supervisor.agent_down, agent_id)

    def delivery_failed(self, link: str, endpoints: Sequence[str], queue_ids: Sequence[str], since: float) -> None:
        """A sender found a connection broken."""
        self.receive(partial(self._tell, Supervisor.delivery_failed, link, endpoints, queue_ids, since))

    def connection_restored(self, link: str) -> None:
        """A connection works again."""
        self.receive(partial(self._tell, Supervisor.connection_restored, link))

    def task_succeeded(self, task_id: str) -> None:
        """The task store has accepted a task's effect."""
        self._tell(Supervisor.task_succeeded, task_id)


class Late:
    """A port whose answers reach the core as late as everything else does."""

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
