"""One node of a cluster of cores: its machine, whether it is awake, and its connection with the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery import Supervisor
from scenarios.faults.base import STORE
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.world import World


class Node:
    """One core's machine and its connection with the rest."""

    def __init__(self, name: str, loop: SimLoop, world: World) -> None:
        self.name = name
        self.machine = Machine(loop)
        self.core: Supervisor | None = None  # while it leads, or assumes so
        self._loop = loop
        self._world = world
        self._asleep_since: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self._outbox: list[Callable[[], None]] = []  # writes that have not reached the store yet

    # -------------------------------------------------------------------------------------------- sleeping
    @property
    def is_suspended(self) -> bool:
        """Whether it is suspended, without noticing."""
        return self._asleep_since is not None

    def suspend(self) -> None:
        """Suspend it."""
        self._asleep_since = self._loop.time()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Resume it."""
        self._asleep_since = None
        self._awake.set()
        self.flush()

    def clock(self) -> float:
        """The time that the node observes: its clock stops while it is suspended."""
        return self._loop.time() if self._asleep_since is None else self._asleep_since

    async def sleep(self, seconds: float) -> None:
        """Wait for these seconds, and until it is awake."""
        await asyncio.sleep(seconds)
        await self._awake.wait()

    # ---------------------------------------------------------------------------------------------- speaking
    async def can_reach(self, *, store: bool) -> None:
        """Return when it is awake and, with `store`, connected with the store."""
        while True:
            await self._awake.wait()
            link = self._world.network.broken_link(self.name, STORE) if store else None
            if link is None:
                return
            await self._loop.wait(link.healed)

    @property
    def reaches_store(self) -> bool:
        """Whether it can reach the store now."""
        return not self.is_suspended and self._world.network.broken_link(self.name, STORE) is None

    def write(self, deliver: Callable[[], None]) -> None:
        """Send a write to the store as soon as it is connected, after earlier writes."""
        self._outbox.append(deliver)
        self.flush()

    def flush(self) -> None:
        """Send the waiting writes, if the store can be reached now."""
        if not self.reaches_store:
            return
        outbox, self._outbox = self._outbox, []
        for deliver in outbox:
            deliver()

    def step_down(self) -> None:
        """End its leadership and drop the writes that have not reached the store."""
        self.core = None
        self._outbox = []

    def forget(self) -> None:
        """Reset the state of a machine that has lost its power."""
        self.step_down()
        self._asleep_since = None
        self._awake = asyncio.Event()
        self._awake.set()
