"""The machine that the core runs on: it may lose its power and be started again, and it may be slow.

A crash is a power cut (`sim.loop_machine`). What was being sent to the core waits at its senders, but for heartbeats,
which nobody sends twice. A core that is started again has what its journal kept, and asks for all the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from recovery import Supervisor, System
from recovery.journal import MemoryJournal
from recovery.model import Failure
from scenarios import Scenario
from scenarios.faults import CoreCrash, CoreSlow, each
from sim.history import Event
from sim.loop import SimLoop
from sim.loop_machine import Machine
from sim.world.timers import after
from sim.world.world import World

PORTS = ("tasks", "agents", "resources", "queues", "network", "logs", "topology")
"""The ports that a core waits for; its store and its audit trail are its own."""


def needs_host(scenario: Scenario) -> bool:
    """Whether something is to happen to the core: without, it costs nothing to have no machine."""
    return any(isinstance(fault, CoreCrash | CoreSlow) for fault in each(scenario.faults))


class CoreHost:
    """Implements `sim.world.world.Core` for the core that runs here, one after the other.

    `build` makes a core for a system; the world's own gets a journal that outlives the cores.
    """

    def __init__(self, loop: SimLoop, world: World, system: System, build: Callable[[System], Supervisor]) -> None:
        self._loop = loop
        self._world = world
        late = {name: _Late(getattr(system, name), self._delay) for name in PORTS}
        self._system = replace(system, journal=MemoryJournal(), **cast("dict[str, Any]", late))
        self._build = build
        self._machine = Machine(loop)
        self._core: Supervisor | None = None
        self._waiting: list[Callable[[], None]] = []  # at senders, until there is a core
        self._delays: list[Callable[[], float]] = []
        self._latest = 0.0  # when the last message arrives: none overtakes another

    # ------------------------------------------------------------------------------- life of the core
    @property
    def is_up(self) -> bool:
        """Whether there is a core that is told of failures."""
        return self._core is not None

    def boot(self) -> asyncio.Task[None]:
        """Start a core."""
        self._machine = Machine(self._loop)
        return self._machine.run(self._loop.create_task, self._start())

    async def _start(self) -> None:
        core = self._build(self._system)
        await core.start()
        self._core = core

    def crash(self) -> None:
        """Cut the machine's power."""
        self._machine.cut_power()
        self._core = None
        self._world.history.record(Event.CORE_CRASHED)

    def restart(self) -> None:
        """Start another core, which comes to know the fleet again and hears of what waited for it."""
        self._world.history.record(Event.CORE_RESTARTED)
        self.boot().add_done_callback(self._introduce)

    def _introduce(self, started: asyncio.Task[None]) -> None:
        started.result()  # a core that cannot start is a defect, and not one that is down
        for agent in self._world.agents.all:
            self.watch(agent.name)
            if not agent.responding:
                self.agent_down(agent.name)
        waiting, self._waiting = self._waiting, []
        for arrive in waiting:
            self._take(arrive)

    # -------------------------------------------------------------------------------- what it is told
    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Whatever reaches the core does so later by these seconds; returns what ends it."""
        self._delays.append(delay)
        return partial(self._delays.remove, delay)

    def receive(self, arrive: Callable[[], None]) -> None:
        """A message for the core that its sender keeps until the core has it."""
        self._arrive(partial(self._take, arrive))

    def _take(self, arrive: Callable[[], None]) -> None:
        if self._core is None:
            self._waiting.append(arrive)
        else:
            arrive()

    def _arrive(self, arrive: Callable[[], None]) -> None:
        """Now, or as late as everything is, and after what was sent before."""
        now = self._loop.env.now
        self._latest = max(self._latest, now + self._delay())
        if self._latest > now:
            after(self._loop.env, self._latest - now, lambda _: arrive())
        else:
            arrive()

    def _delay(self) -> float:
        return sum(delay() for delay in self._delays)

    def _tell(self, method: Callable[..., None], *args: Any) -> None:
        """Call a method of the core on its machine, if there is one."""
        if self._core is not None:
            self._machine.run(method, self._core, *args)

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


class _Late:
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
