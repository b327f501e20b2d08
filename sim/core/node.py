"""One node of a cluster of cores: its machine, whether it is awake, and its connection with the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recovery import Supervisor
from scenarios.faults.base import STORE
from sim.loop import SimLoop
from sim.loop.machine import Machine
from sim.world.clocks import Clock
from sim.world.world import World

RESOLUTION = 1e-9
"""Seconds by which timers of a wrong clock are late, so that rounding errors do not make them early."""


class Node:
    """One core's machine and its connection with the rest. `keeps_time`: no fault skews its clock."""

    def __init__(self, name: str, loop: SimLoop, world: World, *, keeps_time: bool) -> None:
        self.name = name
        self.machine = Machine(loop)
        self.core: Supervisor | None = None  # while it leads, or assumes so
        self._loop = loop
        self._keeps_time = keeps_time
        self._world = world
        self._asleep_since: float | None = None
        self._awake = asyncio.Event()
        self._awake.set()
        self.lease_clock = Clock(loop.env, self._clock_changed)
        self._is_set = asyncio.Event()  # its clock; each time another one
        self._outbox: list[Callable[[], None]] = []  # writes that have not reached the store yet

    # -------------------------------------------------------------------------------------------- sleeping
    @property
    def is_suspended(self) -> bool:
        """Whether it is suspended, without noticing."""
        return self._asleep_since is not None

    def suspend(self) -> None:
        """Suspend it."""
        self._asleep_since = self.clock()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Resume it."""
        self._asleep_since = None
        self._awake.set()
        self.flush()

    def clock(self) -> float:
        """The time that the node observes: its clock stops while it is suspended."""
        if self._asleep_since is not None:
            return self._asleep_since
        return self._loop.time() if self._keeps_time else self.lease_clock.now

    async def sleep(self, seconds: float) -> None:
        """Wait for these seconds by its clock, and until it is awake."""
        if self._keeps_time:
            await asyncio.sleep(seconds)
        else:
            due = self.lease_clock.now + seconds
            while not await self._reaches(due):
                """Its clock was set."""
        if self._asleep_since is not None:
            await self._awake.wait()

    async def _reaches(self, due: float) -> bool:
        """Wait until its clock shows this time. False if it was set before."""
        try:
            async with asyncio.timeout(self.lease_clock.until(due) + RESOLUTION):
                await self._is_set.wait()
        except TimeoutError:
            return True
        return False

    def _clock_changed(self, _: Clock) -> None:
        self._is_set.set()
        self._is_set = asyncio.Event()

    # ---------------------------------------------------------------------------------------------- speaking
    async def can_reach(self, *, store: bool) -> None:
        """Return when it is awake and, with `store`, connected with the store."""
        while True:
            if self._asleep_since is not None:
                await self._awake.wait()
            link = self._world.network.broken_link(self.name, STORE) if store else None
            if link is None:
                return
            await self._loop.wait(link.healed)

    @property
    def reaches_store(self) -> bool:
        """Whether it can reach the store now."""
        return self._asleep_since is None and self._world.network.broken_link(self.name, STORE) is None

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
