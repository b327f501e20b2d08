"""The machine of the core, which may lose its power, be started again, and be slow.

A crash is a power cut (`sim.loop.machine`). Messages to the core wait at their senders, except for heartbeats, which
are not repeated. A core that is started again has the contents of its journal and reads everything else again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

from recovery import Supervisor, System
from recovery.journal import MemoryJournal
from scenarios import Scenario
from scenarios.faults import CoreCrash, CoreSlow, each
from sim.core.mailbox import PORTS, CoreMessages, DelayedPort
from sim.history import Event
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.clocks import Clock
from sim.world.world import World


def needs_node(scenario: Scenario) -> bool:
    """Whether a fault of the scenario hits the core. Otherwise the core is called directly, which has no cost."""
    return any(isinstance(fault, CoreCrash | CoreSlow) for fault in each(scenario.faults))


class SingleNodeHost:
    """Implements `sim.core.host.CoreHost`: one machine, and the cores that run on it in turn.

    `build` makes a core for a system; the system has a journal that is kept when a core crashes.
    """

    def __init__(self, loop: SimLoop, world: World, system: System, build: Callable[[System], Supervisor]) -> None:
        self._loop = loop
        self._world = world
        self.messages = CoreMessages(loop, world, self._recipient)
        late = {name: DelayedPort(getattr(system, name), self.messages.delay) for name in PORTS}
        self._system = replace(system, journal=MemoryJournal(), **cast("dict[str, Any]", late))
        self._build = build
        self._machine = Machine(loop)
        self._core: Supervisor | None = None

    def _recipient(self) -> tuple[Machine, Supervisor] | None:
        return None if self._core is None else (self._machine, self._core)

    @property
    def core(self) -> CoreMessages:
        """What the world reports to."""
        return self.messages

    @property
    def is_up(self) -> bool:
        """Whether a core runs."""
        return self._core is not None

    def receive(self, arrive: Callable[[], None]) -> None:
        """Call `arrive` when a core takes the message."""
        self.messages.receive(arrive)

    def slow_down(self, delay: Callable[[], float]) -> Callable[[], None]:
        """Delay every message to the core; returns what ends that."""
        return self.messages.slow_down(delay)

    def clocks(self) -> Mapping[str, Clock]:
        """Empty: there is no lease."""
        return {}

    def network_healed(self) -> None:
        """Nothing waits for a connection here."""

    def boot(self) -> asyncio.Task[None]:
        """Start a core."""
        self._machine = Machine(self._loop)
        return self._machine.run(self._loop.create_task, self._start())

    async def _start(self) -> None:
        core = self._build(self._system)
        await core.start()
        self._core = core

    def leading(self) -> str:
        """The name of the core that runs."""
        return "core"

    def crash(self, core: str) -> None:
        """Cut the machine's power."""
        self.messages.recipient_changes()
        self._machine.cut_power()
        self._core = None
        self._world.history.record(Event.CORE_CRASHED)

    def restart(self, core: str) -> None:
        """Start another core, register all agents with it, and deliver the messages that waited for it."""
        self._world.history.record(Event.CORE_RESTARTED)
        self.boot().add_done_callback(self._introduce)

    def hang(self, core: str) -> NoReturn:
        """Raise RuntimeError: without a lease a suspended core makes no difference."""
        raise RuntimeError("a core on a single node cannot hang: it needs a cluster")

    def wake(self, core: str) -> NoReturn:
        """Raise RuntimeError, as `hang` does."""
        raise RuntimeError("a core on a single node cannot wake up: it needs a cluster")

    def _introduce(self, started: asyncio.Task[None]) -> None:
        started.result()  # a core that cannot start is a defect of the code, not a core that is down
        self.messages.register_agents()
