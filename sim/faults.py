"""Injectors: what goes wrong, with whom, when and for how long.

Each fault of a scenario is one SimPy process with random streams of its own: one for each injection, in which each
agent and each task has its own luck, whoever else is there. The core is never told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import simpy
from simpy.events import Event as SimpyEvent

from recovery.stores.memory import MemoryTaskStore, is_intact
from scenarios.faults import (
    AgentCrash,
    AgentHang,
    AnyFault,
    CheckpointCorrupt,
    ExecutionFailure,
    Partition,
    ResourceUnavailable,
)
from sim.history import Event
from sim.randomness import Streams
from sim.world.agents import Agent
from sim.world.clock import after
from sim.world.execution import Attempt
from sim.world.tasks import Task
from sim.world.world import World

Member = TypeVar("Member", Agent, Attempt)


@dataclass(frozen=True)
class _Injection:
    """The n-th time that a fault happens. `seconds`: how long, None: for good. `stream` names its randomness."""

    fault: Any
    stream: str
    seconds: float | None


class Faults:
    """Injects the faults of a scenario into a world."""

    def __init__(self, env: simpy.Environment, streams: Streams, world: World, store: MemoryTaskStore) -> None:
        self._env = env
        self._streams = streams
        self._world = world
        self._agents = world.agents.all
        self._store = store

    def start(self, faults: Sequence[AnyFault]) -> None:
        """Begin the process of each fault."""
        for number, fault in enumerate(faults):
            self._env.process(self._run(fault, f"fault.{number}"))

    def _run(self, fault: AnyFault, name: str) -> Generator[SimpyEvent, Any, None]:
        duration = getattr(fault, "for_", None)
        lasts = None if duration is None else self._streams.sequence(f"{name}.for", duration)
        if fault.every is None:
            gaps: Iterable[float] = (fault.at or 0.0,)
        else:
            gaps = iter(self._streams.sequence(f"{name}.every", fault.every), None)  # without end
        for nth, gap in enumerate(gaps):
            yield self._env.timeout(gap)
            self._inject(_Injection(fault, f"{name}.targets.{nth}", None if lasts is None else lasts()))

    def _inject(self, injection: _Injection) -> None:
        match injection.fault:
            case AgentCrash():
                self._crash(injection)
            case AgentHang():
                self._hang(injection)
            case ExecutionFailure():
                self._fail(injection)
            case ResourceUnavailable():
                self._disable(injection)
            case Partition():
                self._cut(injection)
            case CheckpointCorrupt():
                self._corrupt(injection)

    def _note(self, event: Event, injection: _Injection, about: str = "", agent: int = -1, task: int = -1) -> None:
        self._world.history.record(event, task, agent, detail=injection.fault.kind, about=about)

    def _clear(self, injection: _Injection, clear: Callable[[], None]) -> None:
        """Clear a fault when its time is over."""
        if injection.seconds is not None:
            after(self._env, injection.seconds, lambda _: clear())

    # --------------------------------------------------------------------------- agents
    def _crash(self, injection: _Injection) -> None:
        for agent in self._choose(injection, [agent for agent in self._agents if agent.up], len(self._agents)):
            self._note(Event.FAULT_INJECTED, injection, agent=agent.number)
            self._world.agents.crash(agent)

    def _hang(self, injection: _Injection) -> None:
        responding = [agent for agent in self._agents if agent.responding]
        for agent in self._choose(injection, responding, len(self._agents)):
            self._note(Event.FAULT_INJECTED, injection, agent=agent.number)
            self._world.agents.hang(agent, injection.fault.beating)

            def wake(agent: Agent = agent, incarnation: int = agent.incarnation) -> None:
                if agent.hung and agent.incarnation == incarnation:
                    self._note(Event.FAULT_CLEARED, injection, agent=agent.number)
                    self._world.agents.wake(agent)

            self._clear(injection, wake)

    # ---------------------------------------------------------------------------- tasks
    def _running(self) -> list[Attempt]:
        return [attempt for agent in self._agents for attempt in agent.attempts if attempt.started]

    def _fail(self, injection: _Injection) -> None:
        running = [attempt for attempt in self._running() if not attempt.frozen]
        for attempt in self._choose(injection, running, len(running)):
            self._note(Event.FAULT_INJECTED, injection, task=attempt.task.number)
            self._world.execution.fail_now(attempt, "injected")

    def _corrupt(self, injection: _Injection) -> None:
        """Damage the latest checkpoints that are sound, once each however many attempts at their task run."""
        sound: dict[int, Attempt] = {}
        for attempt in self._running():
            stored = self._store.checkpoints(attempt.task.name)
            if stored and is_intact(stored[-1]):
                sound.setdefault(attempt.task.number, attempt)
        for attempt in self._choose(injection, list(sound.values()), len(sound)):
            damaged = self._store.corrupt_checkpoint(attempt.task.name)
            assert damaged is not None
            self._note(Event.FAULT_INJECTED, injection, task=attempt.task.number)
            self._world.history.record(
                Event.CHECKPOINT_CORRUPTED, attempt.task.number, epoch=damaged.epoch, value=damaged.progress
            )

    # ---------------------------------------------------------------- resources, network
    def _disable(self, injection: _Injection) -> None:
        pools, name = self._world.pools, injection.fault.resource
        if pools.pools[name].available == 0:
            self._note(Event.FAULT_SKIPPED, injection, about=name)
            return
        self._note(Event.FAULT_INJECTED, injection, about=name)
        units, hit = pools.disable(name, injection.fault.units, self._streams.generator(injection.stream))
        for attempt in self._running():
            if attempt.allocation in hit and attempt.agent.responding:  # a hung agent finds out when it wakes up
                self._world.agents.lose_resource(attempt, name)

        def enable() -> None:
            self._note(Event.FAULT_CLEARED, injection, about=name)
            pools.enable(name, units)

        self._clear(injection, enable)

    def _cut(self, injection: _Injection) -> None:
        between = injection.fault.between
        self._note(Event.FAULT_INJECTED, injection, about="|".join(sorted(between)))
        name = self._world.network.cut(*between)

        def heal() -> None:
            self._note(Event.FAULT_CLEARED, injection, about=name)
            self._world.network.heal(name)

        self._clear(injection, heal)

    # -------------------------------------------------------------------------- targets
    def _choose(self, injection: _Injection, candidates: Sequence[Member], total: int) -> list[Member]:
        """Those whom a fault hits, in their order; recorded as skipped when there is nobody to hit."""
        targets = injection.fault.targets
        if isinstance(targets, tuple):
            chosen = [member for member in candidates if _subject(member).name in targets]
        elif targets == "all":
            chosen = list(candidates)
        else:
            wanted = targets if isinstance(targets, int) else round(targets * total)
            luck = self._streams.indexed(injection.stream)
            places = sorted(range(len(candidates)), key=lambda place: luck[_subject(candidates[place]).number])
            chosen = [candidates[place] for place in sorted(places[:wanted])]
        if not chosen:
            self._note(Event.FAULT_SKIPPED, injection)
        return chosen


def _subject(target: Agent | Attempt) -> Agent | Task:
    return target.task if isinstance(target, Attempt) else target
