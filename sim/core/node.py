"""A core's seat: its machine, whether it is awake, and how it is connected with the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery import Supervisor
from scenarios.faults.base import STORE
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.world import World


class Seat:
    """One core's machine, and how it is connected with the rest."""

    def __init__(self, name: str, loop: SimLoop, world: World) -> None:
        self.name = name
        self.machine = Machine(loop)
        self.core: Supervisor | None = None  # while it leads, or believes so
        self._loop = loop
        self._world = world
        self._asleep_since: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._outbox: list[Callable[[], None]] = []  # what it has said and nobody has heard so far

    # -------------------------------------------------------------------------------------------- sleeping
    @property
    def is_asleep(self) -> bool:
        """Whether it does nothing, and does not know."""
        return self._asleep_since is not None

    def fall_asleep(self) -> None:
        """Do nothing from now on."""
        self._asleep_since = self._loop.time()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Go on, as if nothing had been."""
        self._asleep_since = None
        self._awake.set()
        self.flush()

    def clock(self) -> float:
        """What it takes for the time."""
        return self._loop.time() if self._asleep_since is None else self._asleep_since

    async def sleep(self, seconds: float) -> None:
        """Wait; it takes as long as it sleeps."""
        await asyncio.sleep(seconds)
        await self._awake.wait()

    # ---------------------------------------------------------------------------------------------- speaking
    async def can_reach(self, *, store: bool) -> None:
        """Return when it is awake, and connected with the store where it is that which matters."""
        while True:
            await self._awake.wait()
            link = self._world.network.broken_link(self.name, STORE) if store else None
            if link is None:
                return
            await self._loop.wait(link.healed)

    @property
    def is_heard(self) -> bool:
        """Whether it can reach the store now."""
        return not self.is_asleep and self._world.network.broken_link(self.name, STORE) is None

    def say(self, deliver: Callable[[], None]) -> None:
        """Have the store hear something, as soon as it can, and after what was said before."""
        self._outbox.append(deliver)
        self.flush()

    def flush(self) -> None:
        """Let the store hear what it can hear now."""
        if not self.is_heard:
            return
        outbox, self._outbox = self._outbox, []
        for deliver in outbox:
            deliver()

    def step_down(self) -> None:
        """It leads no more, and takes back what nobody has heard."""
        self.core = None
        self._outbox = []

    def forget(self) -> None:
        """Its machine has no power any more."""
        self.step_down()
        self._asleep_since = None
        self._awake = asyncio.Event()
        self._awake.set()
