"""One injection of a fault: its targets, its records and its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, TypeVar

import simpy

from recovery.stores.memory import MemoryTaskStore
from sim.core.host import CoreHost
from sim.history import Event
from sim.randomness.delays import Wait
from sim.randomness.streams import Streams
from sim.world.agents.slowdowns import Slowdowns
from sim.world.entities import Agent, Attempt, Task
from sim.world.world import World

Member = TypeVar("Member", Agent, Attempt)


class InForce:
    """A quantity of the world that several concurrent faults may change; its value follows from the active faults."""

    def __init__(self, combine: Callable[[Sequence[float]], float], apply: Callable[[float], None]) -> None:
        self._combine = combine
        self._apply = apply
        self._values: list[float] = []

    def add(self, value: float) -> Callable[[], None]:
        """Activate another fault; returns the function that ends it."""
        self._values.append(value)
        self._apply(self._combine(self._values))

        def end() -> None:
            self._values.remove(value)
            self._apply(self._combine(self._values))

        return end


@dataclass(frozen=True, eq=False)
class Site:
    """The access of injectors: the world, its clock and store, the slowdowns, and the host of the core."""

    env: simpy.Environment
    streams: Streams
    world: World
    store: MemoryTaskStore
    slowdowns: Slowdowns
    duplication: InForce
    write_failure: InForce
    storage_slowness: InForce
    staleness: InForce
    host: CoreHost

    @classmethod
    def of(
        cls,
        env: simpy.Environment,
        streams: Streams,
        world: World,
        store: MemoryTaskStore,
        host: CoreHost,
    ) -> Site:
        """The site of a world."""
        queue, execution = world.queue, world.execution
        duplicated, failing = queue.duplication, execution.write_failure
        return cls(
            env,
            streams,
            world,
            store,
            Slowdowns(world.agents.all, execution),
            InForce(lambda shares: max((duplicated, *shares)), partial(setattr, queue, "duplication")),
            InForce(lambda shares: max((failing, *shares)), partial(setattr, execution, "write_failure")),
            InForce(prod, partial(setattr, execution, "storage_slowness")),
            InForce(partial(max, default=0.0), partial(setattr, world.replica, "lag")),
            host,
        )

    @property
    def agents(self) -> Sequence[Agent]:
        """All agents."""
        return self.world.agents.all

    def running(self) -> list[Attempt]:
        """Running attempts, agent by agent."""
        return [attempt for agent in self.agents for attempt in agent.attempts if attempt.started]


@dataclass(frozen=True, eq=False)
class Injection:
    """The n-th injection of a fault. `stream` is its random stream.

    `seconds` is its duration, None without an end; `wait` waits for it. One draw is the duration of all members of a
    group and of all targets.
    """

    site: Site
    fault: Any
    stream: str
    seconds: float | None
    wait: Wait
    nth: int

    def note(self, event: Event, about: str = "", agent: int = -1, task: int = -1) -> None:
        """Record the fault as injected, cleared or skipped."""
        self.site.world.history.record(event, task, agent, detail=self.fault.kind, about=about)

    def inject(self, end: Callable[[], None], about: str = "", agent: int = -1) -> None:
        """Record the fault as injected, and call `end` after its duration."""
        self.note(Event.FAULT_INJECTED, about, agent)

        def clear() -> None:
            self.note(Event.FAULT_CLEARED, about, agent)
            end()

        self.later(clear)

    def later(self, clear: Callable[[], None]) -> None:
        """Call `clear` after the duration of the fault."""
        if self.seconds is not None:
            self.wait(self.seconds, lambda _: clear(), key=self.nth)

    def choose(self, candidates: Sequence[Member], total: int) -> list[Member]:
        """The targets of a fault, in order; the fault is recorded as skipped when there are none."""
        targets = self.fault.targets
        if isinstance(targets, tuple):
            chosen = [member for member in candidates if _subject(member).name in targets]
        elif targets == "all":
            chosen = list(candidates)
        else:
            wanted = targets if isinstance(targets, int) else round(targets * total)
            draw = self.site.streams.indexed(self.stream)
            places = sorted(range(len(candidates)), key=lambda place: draw[_subject(candidates[place]).number])
            chosen = [candidates[place] for place in sorted(places[:wanted])]
        if not chosen:
            self.note(Event.FAULT_SKIPPED)
        return chosen


Injector = Callable[[Injection], None]
"""Injects one kind of fault."""


def _subject(target: Agent | Attempt) -> Agent | Task:
    return target.task if isinstance(target, Attempt) else target
