"""Pools of resources: units that tasks hold, that may be unavailable, and that can leak.

An attempt gets all of its units at once or waits, first come first served. Units are anonymous until some become
unavailable: these are drawn from all units of the pool, free or held.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sim.history import Event, History


@dataclass(eq=False)
class Allocation:
    """What one attempt at a task holds, in units by pool. `epoch` is -1 if the core allocated it for a later one."""

    task: int
    epoch: int
    units: dict[str, int]


@dataclass(eq=False)
class Pool:
    """One pool. Each unit is free, held by an allocation, unavailable, or leaked."""

    name: str
    units: int
    unavailable: int = 0
    leaked: int = 0
    free: int = field(init=False)

    def __post_init__(self) -> None:
        self.free = self.units

    @property
    def available(self) -> int:
        """Units in service, free or held."""
        return self.units - self.unavailable


@dataclass(eq=False)
class _Request:
    task: int
    epoch: int
    needs: Mapping[str, int]
    granted: Callable[[Allocation], None]


class Pools:
    """All pools of a world, and their allocations."""

    def __init__(self, history: History, units: Mapping[str, int]) -> None:
        self._history = history
        self.pools = {name: Pool(name, count) for name, count in units.items()}
        self._held: dict[int, list[Allocation]] = {}
        self._waiting: deque[_Request] = deque()

    # ------------------------------------------------------------ allocate, release
    def request(
        self, task: int, epoch: int, needs: Mapping[str, int], granted: Callable[[Allocation], None]
    ) -> Callable[[], None] | None:
        """Allocates now (`granted` is called before this returns None) or waits; returns the function that withdraws a
        waiting request.
        """
        if not self._waiting and self._fits(needs):
            granted(self._allocate(task, epoch, needs))
            return None
        request = _Request(task, epoch, needs, granted)
        self._waiting.append(request)
        self._history.record(Event.RESOURCE_AWAITED, task, epoch=epoch, value=float(len(needs)))

        def withdraw() -> None:
            if request in self._waiting:
                self._waiting.remove(request)
                self._grant()

        return withdraw

    def allocate_now(self, task: int, needs: Mapping[str, int]) -> Allocation | None:
        """Allocates ahead of waiting requests; None if the units are not free."""
        return self._allocate(task, -1, needs) if self._fits(needs) else None

    def _fits(self, needs: Mapping[str, int]) -> bool:
        return all(self.pools[name].free >= units for name, units in needs.items())

    def _allocate(self, task: int, epoch: int, needs: Mapping[str, int]) -> Allocation:
        allocation = Allocation(task, epoch, dict(needs))
        self._held.setdefault(task, []).append(allocation)
        for name, units in needs.items():
            self.pools[name].free -= units
            self._history.record(Event.RESOURCE_ALLOCATED, task, epoch=epoch, value=float(units), about=name)
        return allocation

    def release(self, allocation: Allocation, detail: str = "") -> bool:
        """Releases an allocation. False if it was released before."""
        held = self._held.get(allocation.task, [])
        if allocation not in held:
            return False
        held.remove(allocation)
        if not held:
            del self._held[allocation.task]
        for name, units in allocation.units.items():
            if units:
                self.pools[name].free += units
                self._history.record(
                    Event.RESOURCE_RELEASED,
                    allocation.task,
                    epoch=allocation.epoch,
                    value=float(units),
                    detail=detail,
                    about=name,
                )
        self._grant()
        return True

    def release_all(self, task: int) -> dict[str, int]:
        """Releases all allocations of a task; returns units by pool."""
        released: dict[str, int] = {}
        for allocation in self.allocations(task):
            for name, units in allocation.units.items():
                released[name] = released.get(name, 0) + units
            self.release(allocation)
        return released

    def held(self, task: int) -> dict[str, int]:
        """Units that a task holds, by pool."""
        total: dict[str, int] = {}
        for allocation in self._held.get(task, ()):
            for name, units in allocation.units.items():
                total[name] = total.get(name, 0) + units
        return total

    @property
    def holders(self) -> list[int]:
        """Numbers of the tasks that hold something."""
        return list(self._held)

    def waiters(self, name: str) -> list[int]:
        """Numbers of the tasks that wait for units of a pool, in order."""
        return [request.task for request in self._waiting if request.needs.get(name, 0)]

    def holds(self, task: int) -> bool:
        """Whether a task holds something."""
        return task in self._held

    def holds_more(self, task: int, than: Allocation | None) -> bool:
        """Whether a task holds something besides one allocation."""
        return self._held.get(task) not in (None, [than])

    def allocations(self, task: int) -> list[Allocation]:
        """All allocations of a task, one for each attempt."""
        return list(self._held.get(task, ()))

    def reserved(self, task: int) -> Allocation | None:
        """What the core has allocated for the task's next attempt."""
        return next((allocation for allocation in self._held.get(task, ()) if allocation.epoch == -1), None)

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0].needs):
            request = self._waiting.popleft()
            request.granted(self._allocate(request.task, request.epoch, request.needs))

    # ------------------------------------------------------------------ availability
    def in_reach(self, name: str) -> int:
        """Units of a pool that can go out of service: those in service that have not leaked."""
        pool = self.pools[name]
        return pool.available - pool.leaked

    def disable(self, name: str, units: int, generator: np.random.Generator) -> tuple[int, list[Allocation]]:
        """Takes up to `units` units out of service; returns their number and the allocations that lost some.

        An allocation no longer holds the units that it lost.
        """
        if not self.in_reach(name):
            return 0, []
        pool = self.pools[name]
        holders = [
            allocation
            for allocations in self._held.values()
            for allocation in allocations
            for _ in range(allocation.units.get(name, 0))
        ]
        there = len(holders) + pool.free  # without leaked units
        count = min(units, there)
        struck = [int(place) for place in generator.permutation(there)[:count] if place < len(holders)]
        pool.unavailable += count
        pool.free -= count - len(struck)
        self._history.record(Event.RESOURCE_UNAVAILABLE, value=float(count), about=name)
        hit: dict[int, Allocation] = {}
        for place in sorted(struck):
            allocation = holders[place]
            allocation.units[name] -= 1
            hit[holders.index(allocation)] = allocation
            self._history.record(
                Event.RESOURCE_RELEASED,
                allocation.task,
                epoch=allocation.epoch,
                value=1.0,
                detail="unavailable",
                about=name,
            )
        return count, list(hit.values())

    def leak(self, name: str, units: int) -> int:
        """Leaks up to `units` free units of a pool; returns their number."""
        pool = self.pools[name]
        count = min(units, pool.free)
        if not count:
            return 0
        pool.free -= count
        pool.leaked += count
        self._history.record(Event.RESOURCE_LEAKED, value=float(count), about=name)
        return count

    def find(self, name: str, units: int) -> None:
        """Makes leaked units free again."""
        if not units:
            return
        pool = self.pools[name]
        pool.free += units
        pool.leaked -= units
        self._history.record(Event.RESOURCE_FOUND, value=float(units), about=name)
        self._grant()

    def enable(self, name: str, units: int) -> None:
        """Puts units back into service."""
        if not units:
            return
        pool = self.pools[name]
        pool.unavailable -= units
        pool.free += units
        self._history.record(Event.RESOURCE_AVAILABLE, value=float(units), about=name)
        self._grant()
