"""One injection of a fault: whom it hits, what is noted of it, and how it ends."""

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
from sim.loop.callbacks import after
from sim.randomness.streams import Streams
from sim.world.agents.slowdowns import Slowdowns
from sim.world.entities import Agent, Attempt, Task
from sim.world.world import World

Member = TypeVar("Member", Agent, Attempt)


class InForce:
    """A quantity of the world that several faults may change at once: what it is follows from those in force."""

    def __init__(self, combine: Callable[[Sequence[float]], float], apply: Callable[[float], None]) -> None:
        self._combine = combine
        self._apply = apply
        self._values: list[float] = []

    def add(self, value: float) -> Callable[[], None]:
        """Another fault is in force; returns what ends it."""
        self._values.append(value)
        self._apply(self._combine(self._values))

        def end() -> None:
            self._values.remove(value)
            self._apply(self._combine(self._values))

        return end


@dataclass(frozen=True, eq=False)
class Site:
    """What injectors reach: the world, its clock and store, what makes work slow, and the core's host."""

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
        """The site that a world is."""
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
        """Attempts that have started and not ended, agent by agent."""
        return [attempt for agent in self.agents for attempt in agent.attempts if attempt.started]


@dataclass(frozen=True, eq=False)
class Injection:
    """The n-th time that a fault happens. `seconds`: how long, None: for good. `stream` names its randomness."""

    site: Site
    fault: Any
    stream: str
    seconds: float | None

    def note(self, event: Event, about: str = "", agent: int = -1, task: int = -1) -> None:
        """Put the fault on record: injected, cleared or skipped."""
        self.site.world.history.record(event, task, agent, detail=self.fault.kind, about=about)

    def inject(self, end: Callable[[], None], about: str = "", agent: int = -1) -> None:
        """Put on record that it is in force, and end it when its time is over."""
        self.note(Event.FAULT_INJECTED, about, agent)

        def clear() -> None:
            self.note(Event.FAULT_CLEARED, about, agent)
            end()

        self.later(clear)

    def later(self, clear: Callable[[], None]) -> None:
        """Call back when its time is over."""
        if self.seconds is not None:
            after(self.site.env, self.seconds, lambda _: clear())

    def choose(self, candidates: Sequence[Member], total: int) -> list[Member]:
        """Those whom a fault hits, in their order; recorded as skipped when there is nobody to hit."""
        targets = self.fault.targets
        if isinstance(targets, tuple):
            chosen = [member for member in candidates if _subject(member).name in targets]
        elif targets == "all":
            chosen = list(candidates)
        else:
            wanted = targets if isinstance(targets, int) else round(targets * total)
            luck = self.site.streams.indexed(self.stream)
            places = sorted(range(len(candidates)), key=lambda place: luck[_subject(candidates[place]).number])
            chosen = [candidates[place] for place in sorted(places[:wanted])]
        if not chosen:
            self.note(Event.FAULT_SKIPPED)
        return chosen


Injector = Callable[[Injection], None]
"""What makes a fault happen."""


def _subject(target: Agent | Attempt) -> Agent | Task:
    return target.task if isinstance(target, Attempt) else target
