"""The machine that the core runs on: it may lose its power and be started again, and it may be slow.

A crash is a power cut (`sim.loop.machine`). What was being sent to the core waits at its senders, but for heartbeats,
which nobody sends twice. A core that is started again has what its journal kept, and asks for all the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from recovery import Supervisor, System
from recovery.journal import MemoryJournal
from scenarios import Scenario
from scenarios.faults import CoreCrash, CoreSlow, each
from sim.core.mailbox import PORTS, CoreMessages, Late
from sim.history import Event
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.world import World


def needs_host(scenario: Scenario) -> bool:
    """Whether something is to happen to the core: without, it costs nothing to have no machine."""
    return any(isinstance(fault, CoreCrash | CoreSlow) for fault in each(scenario.faults))


class CoreHost:
    """One machine, and the cores that run on it one after the other.

    `build` makes a core for a system; the world's own gets a journal that outlives the cores.
    """

    def __init__(self, loop: SimLoop, world: World, system: System, build: Callable[[System], Supervisor]) -> None:
        self._loop = loop
        self._world = world
        self.messages = CoreMessages(loop, world, self._recipient)
        late = {name: Late(getattr(system, name), self.messages.delay) for name in PORTS}
        self._system = replace(system, journal=MemoryJournal(), **cast("dict[str, Any]", late))
        self._build = build
        self._machine = Machine(loop)
        self._core: Supervisor | None = None

    def _recipient(self) -> tuple[Machine, Supervisor] | None:
        return None if self._core is None else (self._machine, self._core)

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
        self._machine.cut_power()
        self._core = None
        self._world.history.record(Event.CORE_CRASHED)

    def restart(self, core: str) -> None:
        """Start another core, which comes to know the fleet again and hears of what waited for it."""
        self._world.history.record(Event.CORE_RESTARTED)
        self.boot().add_done_callback(self._introduce)

    def _introduce(self, started: asyncio.Task[None]) -> None:
        started.result()  # a core that cannot start is a defect, and not one that is down
        self.messages.introduce()
