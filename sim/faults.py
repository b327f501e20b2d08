"""Injectors: what goes wrong, with whom, when and for how long.

Each fault of a scenario is one SimPy process with a random stream of its own. The core is never told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import simpy
from simpy.events import Event as SimpyEvent

from recovery.stores.memory import MemoryTaskStore
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
from sim.world.world import World

Member = TypeVar("Member")


class Faults:
    """Injects the faults of a scenario into a world."""

    def __init__(self, env: simpy.Environment, streams: Streams, world: World, store: MemoryTaskStore) -> None:
        self._env = env
        self._streams = streams
        self._world = world
        self._store = store

    def start(self, faults: Sequence[AnyFault]) -> None:
        """Begin the process of each fault."""
        for number, fault in enumerate(faults):
            self._env.process(self._run(fault, f"fault.{number}"))

    def _run(self, fault: AnyFault, name: str) -> Iterator[SimpyEvent]:
        chance = self._streams.generator(f"{name}.targets")
        duration = getattr(fault, "for_", None)
        lasts = None if duration is None else self._streams.sequence(f"{name}.for", duration)
        if fault.at is not None:
            yield self._env.timeout(fault.at)
            self._inject(fault, chance, lasts)
        else:
            assert fault.every is not None
            gap = self._streams.sequence(f"{name}.every", fault.every)
            while True:
                yield self._env.timeout(gap())
                self._inject(fault, chance, lasts)

    def _inject(self, fault: AnyFault, chance: np.random.Generator, lasts: Callable[[], float] | None) -> None:
        seconds = None if lasts is None else lasts()
        match fault:
            case AgentCrash():
                self._crash(fault, chance)
            case AgentHang():
                self._hang(fault, chance, seconds)
            case ExecutionFailure():
                self._fail(fault, chance)
            case ResourceUnavailable():
                self._disable(fault, chance, seconds)
            case Partition():
                self._cut(fault, seconds)
            case CheckpointCorrupt():
                self._corrupt(fault, chance)

    def _note(self, event: Event, fault: AnyFault, about: str = "", agent: int = -1, task: int = -1) -> None:
        self._world.history.record(event, task, agent, detail=fault.kind, about=about)

    def _clear_after(self, seconds: float | None, clear: Callable[[], None]) -> None:
        if seconds is not None:
            after(self._env, seconds, lambda _: clear())

    # --------------------------------------------------------------------------- agents
    def _crash(self, fault: AgentCrash, chance: np.random.Generator) -> None:
        up = [agent for agent in self._world.agents.all if agent.up]
        for agent in self._choose(fault, up, len(self._world.agents.all), chance):
            self._note(Event.FAULT_INJECTED, fault, agent=agent.number)
            self._world.agents.crash(agent)

    def _hang(self, fault: AgentHang, chance: np.random.Generator, seconds: float | None) -> None:
        responding = [agent for agent in self._world.agents.all if agent.responding]
        for agent in self._choose(fault, responding, len(self._world.agents.all), chance):
            self._note(Event.FAULT_INJECTED, fault, agent=agent.number)
            self._world.agents.hang(agent)

            def wake(agent: Any = agent, incarnation: int = agent.incarnation) -> None:
                if agent.hung and agent.incarnation == incarnation:
                    self._note(Event.FAULT_CLEARED, fault, agent=agent.number)
                    self._world.agents.wake(agent)

            self._clear_after(seconds, wake)

    # ---------------------------------------------------------------------------- tasks
    def _running(self) -> list[Attempt]:
        return [attempt for agent in self._world.agents.all for attempt in agent.attempts if attempt.started]

    def _fail(self, fault: ExecutionFailure, chance: np.random.Generator) -> None:
        running = [attempt for attempt in self._running() if not attempt.frozen]
        for attempt in self._choose(fault, running, len(running), chance):
            self._note(Event.FAULT_INJECTED, fault, task=attempt.task.number)
            self._world.execution.fail_now(attempt, "injected")

    def _corrupt(self, fault: CheckpointCorrupt, chance: np.random.Generator) -> None:
        saved = [attempt for attempt in self._running() if self._store.checkpoints(attempt.task.name)]
        for attempt in self._choose(fault, saved, len(saved), chance):
            damaged = self._store.corrupt_checkpoint(attempt.task.name)
            if damaged is not None:
                self._note(Event.FAULT_INJECTED, fault, task=attempt.task.number)
                self._world.history.record(
                    Event.CHECKPOINT_CORRUPTED, attempt.task.number, epoch=damaged.epoch, value=damaged.progress
                )

    # ---------------------------------------------------------------- resources, network
    def _disable(self, fault: ResourceUnavailable, chance: np.random.Generator, seconds: float | None) -> None:
        pools, name = self._world.pools, fault.resource
        self._note(Event.FAULT_INJECTED, fault, about=name)
        count, hit = pools.disable(name, fault.units, chance)
        for attempt in [attempt for attempt in self._running() if attempt.allocation in hit]:
            self._world.agents.lose_resource(attempt, name)

        def enable() -> None:
            self._note(Event.FAULT_CLEARED, fault, about=name)
            pools.enable(name, count)

        self._clear_after(seconds, enable)

    def _cut(self, fault: Partition, seconds: float | None) -> None:
        link = "|".join(sorted(fault.between))
        self._note(Event.FAULT_INJECTED, fault, about=link)
        name = self._world.network.cut(*fault.between)

        def heal() -> None:
            self._note(Event.FAULT_CLEARED, fault, about=name)
            self._world.network.heal(name)

        self._clear_after(seconds, heal)

    # -------------------------------------------------------------------------- targets
    def _choose(
        self, fault: Any, candidates: Sequence[Member], total: int, chance: np.random.Generator
    ) -> list[Member]:
        """Those whom a fault hits, in their order; recorded as skipped when there is nobody to hit."""
        targets = fault.targets
        if isinstance(targets, tuple):
            chosen = [member for member in candidates if _name(member) in targets]
        elif targets == "all":
            chosen = list(candidates)
        else:
            count = targets if isinstance(targets, int) else round(targets * total)
            places = sorted(chance.permutation(len(candidates))[:count].tolist())
            chosen = [candidates[place] for place in places]
        if not chosen:
            self._note(Event.FAULT_SKIPPED, fault)
        return chosen


def _name(target: object) -> str:
    if isinstance(target, Attempt):
        return target.task.name
    assert isinstance(target, Agent)
    return target.name
