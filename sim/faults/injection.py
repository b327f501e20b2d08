"""One injection of a fault: its targets, its records and its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import nan, prod
from typing import Any, TypeVar

import simpy

from recovery.stores.memory import MemoryTaskStore
from scenarios.faults.targets import KindTargets, PoolTargets
from sim.core.host import CoreHost
from sim.faults.outages import AgentOutages, CoreOutages
from sim.history import Event
from sim.loop.callbacks import after
from sim.randomness.delays import Wait
from sim.randomness.streams import Streams
from sim.world.agents.slowdowns import Slowdowns
from sim.world.entities import Agent, Attempt, Task, task_number
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


def any_of(probabilities: Iterable[float]) -> float:
    """The probability of at least one of several independent events: 1 − ∏ (1 − p)."""
    total = 0.0
    for probability in sorted(probabilities, reverse=True):
        total += probability * (1 - total)
    return total


@dataclass(frozen=True, eq=False)
class Site:
    """The access of injectors: the world, its clock and store, the host of the core, and the faults that are active.

    `active` counts the active faults by kind and target, `claims` has the units that those of a pool take.
    `next_due` returns the seconds until another injection that is due at this instant, up to rounding; None: none is.
    """

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
    agent_outages: AgentOutages
    core_outages: CoreOutages
    next_due: Callable[[], float | None]
    active: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    claims: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        env: simpy.Environment,
        streams: Streams,
        world: World,
        store: MemoryTaskStore,
        host: CoreHost,
        next_due: Callable[[], float | None],
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
            InForce(lambda shares: any_of((duplicated, *shares)), partial(setattr, queue, "duplication")),
            InForce(lambda shares: any_of((failing, *shares)), partial(setattr, execution, "write_failure")),
            InForce(prod, partial(setattr, execution, "storage_slowness")),
            InForce(partial(max, default=0.0), partial(setattr, world.replica, "lag")),
            host,
            AgentOutages(world.agents, world.history),
            CoreOutages(host),
            next_due,
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

    def note(self, event: Event, about: str = "", agent: int = -1, task: int = -1, value: float = nan) -> None:
        """Record the fault as injected, cleared or skipped."""
        self.site.world.history.record(event, task, agent, value=value, detail=self.fault.kind, about=about)

    def injected(self, others: int, about: str = "", agent: int = -1) -> None:
        """Record the fault as injected. `others` is the number of faults with which it unites on this target."""
        self.note(Event.FAULT_INJECTED, about, agent, value=others or nan)

    def cleared(self, others: int, about: str = "", agent: int = -1) -> None:
        """Record the fault as cleared. `others` is the number of faults that still affect this target."""
        self.note(Event.FAULT_CLEARED, about, agent, value=others or nan)

    def inject(self, end: Callable[[], None], about: str = "", agent: int = -1) -> None:
        """Record the fault as injected, and call `end` after its duration."""
        active, key = self.site.active, (self.fault.kind, about, agent)
        self.injected(active[key], about, agent)
        active[key] += 1

        def clear() -> None:
            active[key] -= 1
            self.cleared(active[key], about, agent)
            end()

        self.later(clear)

    def later(self, clear: Callable[[], None]) -> None:
        """Call `clear` after the duration of the fault, and after the injections of that instant: those unite."""
        if self.seconds is None:
            return

        def elapsed(_: object) -> None:
            seconds = self.site.next_due()
            if seconds is None:
                clear()
            else:
                after(self.site.env, seconds, lambda _: clear())

        self.wait(self.seconds, elapsed, key=self.nth)

    def choose(
        self, candidates: Sequence[Member], total: int, preferred: Callable[[Member], bool] | None = None
    ) -> list[Member]:
        """The targets of a fault, in order. A count or a fraction takes the preferred candidates first.

        Targets that do not exist are recorded as skipped.
        """
        targets = self.fault.targets
        if isinstance(targets, PoolTargets | KindTargets):
            candidates = [member for member in candidates if self._is_of(member, targets)]
            total = self._size_of(targets) or len(candidates)
            targets = targets.amount
        if isinstance(targets, tuple):
            chosen = [member for member in candidates if _subject(member).name in targets]
            found = {_subject(member).name for member in chosen}
            for name in dict.fromkeys(name for name in targets if name not in found):
                self.note(Event.FAULT_SKIPPED, task=task_number(name))  # every agent is a candidate
            return chosen
        if targets == "all":
            chosen, missing = list(candidates), 0 if candidates else 1
        else:
            wanted = targets if isinstance(targets, int) else round(targets * total)
            draw = self.site.streams.indexed(self.stream)
            places = sorted(
                range(len(candidates)),
                key=lambda place: (
                    preferred is not None and not preferred(candidates[place]),
                    draw[_subject(candidates[place]).number],
                ),
            )
            chosen = [candidates[place] for place in sorted(places[:wanted])]
            missing = max(wanted, 1) - len(chosen)
        if missing:
            self.note(Event.FAULT_SKIPPED, value=missing if missing > 1 else nan)
        return chosen

    def _is_of(self, member: Agent | Attempt, part: PoolTargets | KindTargets) -> bool:
        """Whether an agent is of a pool, or a running task of a kind."""
        subject = _subject(member)
        if isinstance(part, KindTargets):
            return isinstance(subject, Task) and subject.kind == part.kind
        return self.site.world.scenario.agents.pool_of(subject.number) == part.pool

    def _size_of(self, part: PoolTargets | KindTargets) -> int:
        """The number of agents of a pool; 0 for a kind of tasks."""
        return self.site.world.scenario.agents.pools[part.pool].count if isinstance(part, PoolTargets) else 0


Injector = Callable[[Injection], None]
"""Injects one kind of fault."""


def _subject(target: Agent | Attempt) -> Agent | Task:
    return target.task if isinstance(target, Attempt) else target
